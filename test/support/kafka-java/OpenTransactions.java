import java.util.EnumSet;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionState;

/**
 * Prints each open transaction, on any topics: its id and its state. A prepared one is not open:
 * its client has ended it, and Kafka still writes the markers.
 */
public class OpenTransactions {
  public static void main(String[] arguments) throws Exception {
    var ended = EnumSet.of(
        TransactionState.EMPTY,
        TransactionState.PREPARE_COMMIT,
        TransactionState.PREPARE_ABORT,
        TransactionState.COMPLETE_COMMIT,
        TransactionState.COMPLETE_ABORT);
    try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", arguments[0]))) {
      for (var transaction : admin.listTransactions().all().get())
        if (!ended.contains(transaction.state()))
          System.out.println(transaction.transactionalId() + " " + transaction.state());
    }
  }
}
