/** Returns a command as senders write it in plain JSON. Its id is the batch's reference. */
export function batch(
  reference: string,
  sku: string,
  { quantity = 10, eta = null }: { readonly quantity?: number; readonly eta?: string | null } = {},
) {
  return { type: 'CreateBatch', id: reference, reference, sku, quantity, eta };
}

/** Returns a command as senders write it in plain JSON. Its id is the order's. */
export function order(orderid: string, sku: string, qty = 2) {
  return { type: 'AllocateOrder', id: orderid, orderid, sku, qty };
}
