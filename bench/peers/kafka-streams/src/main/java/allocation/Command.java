package allocation;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** What comes in: the value of a record in the commands topic. */
@JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME, property = "type")
@JsonSubTypes({
  @JsonSubTypes.Type(Command.CreateBatch.class),
  @JsonSubTypes.Type(Command.AllocateOrder.class)
})
public sealed interface Command {
  String id();

  String sku();

  record CreateBatch(String id, String reference, String sku, long quantity, String eta)
      implements Command {}

  /**
   * An order of one line. An order of several ("lines") is refused, because a store has the skus of
   * one partition only. An order of several skus would need a second topic and a saga.
   */
  record AllocateOrder(String id, String orderid, String sku, long qty) implements Command {}
}
