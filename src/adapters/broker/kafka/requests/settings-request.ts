import { type Exchange, exchange } from './exchange.ts';

const TOPIC = 2;

/**
 * Asks any node for one setting of a topic; null: the answer leaves it out.
 *
 * Source: Apache Kafka, protocol guide, DescribeConfigs v2.
 */
export function topicSetting(
  topic: string,
  name: string,
): Exchange<{ readonly errorCode: number; readonly value: string | null }> {
  return exchange(
    { apiKey: 32, apiVersion: 2, apiName: 'DescribeConfigs' },
    (encoder) =>
      encoder
        .writeInt32(1)
        .writeInt8(TOPIC)
        .writeString(topic)
        .writeInt32(1)
        .writeString(name)
        .writeBoolean(false),
    (decoder) => {
      decoder.readInt32(); // throttle time
      const [found] = decoder.readArray((each) => {
        const errorCode = each.readInt16();
        each.readString(); // message
        each.readInt8(); // type
        each.readString(); // topic
        const settings = each.readArray((of) => {
          const setting = { name: of.readString(), value: of.readString() };
          of.readBoolean(); // whether it is read only
          of.readInt8(); // where it comes from
          of.readBoolean(); // whether it is a secret
          of.readArray(() => null); // synonyms: none were asked for
          return setting;
        });
        return {
          errorCode,
          value: settings.find((setting) => setting.name === name)?.value ?? null,
        };
      });
      return found ?? { errorCode: 0, value: null };
    },
  );
}
