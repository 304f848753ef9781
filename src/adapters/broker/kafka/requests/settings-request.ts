import { type Exchange, exchange } from './exchange.ts';

const TOPIC = 2;

/**
 * Makes the request that asks any node for one setting of a topic. The value is null if the answer
 * leaves it out.
 *
 * Source: Apache Kafka, protocol guide, DescribeConfigs v2.
 */
export function topicSetting(
  topic: string,
  name: string,
): Exchange<{ readonly errorCode: number; readonly value: string | null }> {
  return exchange(
    { apiKey: 32, apiVersion: 2, apiName: 'DescribeConfigs', topics: [topic] },
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
      const [answer] = decoder.readArray((each) => {
        const errorCode = each.readInt16();
        each.readString(); // message
        each.readInt8(); // type
        each.readString(); // topic
        const settings = each.readArray((of) => {
          const setting = { name: of.readString(), value: of.readString() };
          of.readBoolean(); // is read-only
          of.readInt8(); // source
          of.readBoolean(); // is sensitive
          of.readArray(() => null); // synonyms, which the request excludes
          return setting;
        });
        return {
          errorCode,
          value: settings.find((setting) => setting.name === name)?.value ?? null,
        };
      });
      return answer ?? { errorCode: 0, value: null };
    },
  );
}
