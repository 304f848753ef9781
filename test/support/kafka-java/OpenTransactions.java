import java.util.EnumSet;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionState;

/** Prints each open transaction, on any topics: its id and its state. */
public class OpenTransactions {
  public static void main(String[] arguments) throws Exception {
    var over = EnumSet.of(TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT);
    try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", arguments[0]))) {
      for (var transaction : admin.listTransactions().all().get())
        if (!over.contains(transaction.state())) System.out.println(transaction.transactionalId() + " " + transaction.state());
    }
  }
}
