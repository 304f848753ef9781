package allocation;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/**
 * What goes out: one record in the events topic for every command. Only the peer that does equal
 * work publishes the last two.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME, property = "type")
@JsonSubTypes({
  @JsonSubTypes.Type(Event.BatchCreated.class),
  @JsonSubTypes.Type(Event.Allocated.class),
  @JsonSubTypes.Type(Event.OutOfStock.class),
  @JsonSubTypes.Type(Event.AlreadyAllocated.class),
  @JsonSubTypes.Type(Event.CommandRejected.class)
})
public sealed interface Event {
  /** The product's version after this event; 0: the event does not change the product. */
  default long sequence() {
    return 0;
  }

  record BatchCreated(String reference, String sku, long quantity, String eta, long sequence)
      implements Event {}

  record Allocated(String orderid, String sku, long qty, String batchref, long sequence)
      implements Event {}

  record OutOfStock(String orderid, String sku, long qty, long sequence) implements Event {}

  record AlreadyAllocated(String orderid, String sku, long qty, String batchref)
      implements Event {}

  /** Ids that the command does not have are null. */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record CommandRejected(
      String command, String reason, String detail, String orderid, String reference, String sku)
      implements Event {}
}
