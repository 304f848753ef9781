import { type Exchange, exchange } from './exchange.ts';

/** The topic or broker that has the settings. The name of a broker is the id of its node. */
export interface SettingsOwner {
  readonly kind: 'topic' | 'broker';
  readonly name: string;
}

export interface SettingsAnswer {
  readonly errorCode: number;
  /** The value of each setting, without the settings that the node hides or does not know. */
  readonly values: ReadonlyMap<string, string>;
}

const KINDS = { topic: 2, broker: 4 } as const;

/**
 * Makes the request that asks for some settings. Any node answers about a topic. Only the broker
 * itself answers about a broker.
 *
 * Source: Apache Kafka, protocol guide, DescribeConfigs v2.
 */
export function settingsOf(
  { kind, name }: SettingsOwner,
  settings: readonly string[],
): Exchange<SettingsAnswer> {
  return exchange<SettingsAnswer>(
    {
      apiKey: 32,
      apiVersion: 2,
      apiName: 'DescribeConfigs',
      ...(kind === 'topic' && { topics: [name] }),
    },
    (encoder) => {
      encoder.writeInt32(1).writeInt8(KINDS[kind]).writeString(name).writeInt32(settings.length);
      for (const setting of settings) encoder.writeString(setting);
      return encoder.writeBoolean(false);
    },
    (decoder) => {
      decoder.readInt32(); // throttle time
      const [answer] = decoder.readArray((each) => {
        const errorCode = each.readInt16();
        each.readString(); // message
        each.readInt8(); // kind
        each.readString(); // name
        const found = each.readArray((of) => {
          const setting = [String(of.readString()), of.readString()] as const;
          of.readBoolean(); // is read-only
          of.readInt8(); // source
          of.readBoolean(); // is sensitive
          of.readArray(() => null); // synonyms, which the request excludes
          return setting;
        });
        const known = found.filter((each): each is readonly [string, string] => each[1] !== null);
        return { errorCode, values: new Map(known) };
      });
      return answer ?? { errorCode: 0, values: new Map() };
    },
  );
}
