package allocation;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** What goes out: one record in the events topic for every command. */
@JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME, property = "type")
@JsonSubTypes({
  @JsonSubTypes.Type(Event.BatchCreated.class),
  @JsonSubTypes.Type(Event.Allocated.class),
  @JsonSubTypes.Type(Event.OutOfStock.class)
})
sealed interface Event {
  record BatchCreated(String reference, String sku, long quantity, String eta, long sequence) implements Event {}

  record Allocated(String orderid, String sku, long qty, String batchref, long sequence) implements Event {}

  record OutOfStock(String orderid, String sku, long qty, long sequence) implements Event {}
}
