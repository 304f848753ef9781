package allocation.equal;

/** Says what one order has of one sku, and from which batch. */
record AllocatedLine(long qty, String batchref) {
  /** The tab keeps the keys apart, because ids have no control characters. */
  static String key(String orderid, String sku) {
    return orderid + '\t' + sku;
  }
}
