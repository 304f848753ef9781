import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.TopicPartition;

/**
 * Prints one line for each member of the group: its instance id or client id, and its partitions.
 */
public class GroupMembers {
  public static void main(String[] arguments) throws Exception {
    var group = arguments[1];
    try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", arguments[0]))) {
      var description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
      for (var member : description.members()) {
        var partitions =
            member.assignment().topicPartitions().stream()
                .map(TopicPartition::partition)
                .sorted()
                .map(String::valueOf)
                .collect(Collectors.joining(","));
        System.out.println(member.groupInstanceId().orElse(member.clientId()) + " " + partitions);
      }
    }
  }
}
