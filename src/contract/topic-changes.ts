import { z } from 'zod';
import type { Channel } from './channels.ts';
import type { Effect } from './schema-keywords.ts';

/** What AsyncAPI's binding for Kafka says about a topic. A document may leave any of it out. */
const topicBinding = z.looseObject({
  kafka: z
    .looseObject({
      topicConfiguration: z
        .looseObject({
          'cleanup.policy': z.array(z.string()).optional(),
          'max.message.bytes': z.number().optional(),
          'retention.ms': z.number().optional(),
          'retention.bytes': z.number().optional(),
        })
        .optional(),
    })
    .optional(),
});

type TopicSettings = NonNullable<
  NonNullable<z.output<typeof topicBinding>['kafka']>['topicConfiguration']
>;

/** One difference between the settings of a topic. */
interface TopicChange {
  readonly text: string;
  readonly effect: Extract<Effect, 'adds' | 'breaks'>;
}

/** The limits, and what Kafka takes for one that is left out. -1 is no limit. */
const KAFKA_DEFAULTS = {
  'max.message.bytes': 1_048_588,
  'retention.ms': 604_800_000,
  'retention.bytes': -1,
};
const LIMITS = Object.keys(KAFKA_DEFAULTS) as (keyof typeof KAFKA_DEFAULTS)[];

/**
 * Compares the settings with which the service creates a topic.
 *
 * Senders notice that records may be smaller, readers that records are kept for a shorter time.
 * Both notice another cleanup policy: compaction deletes all records of a key but the last. How
 * many partitions a new topic gets is left out, because it is up to each operator.
 *
 * @param before the channel's bindings in the former document; undefined: none
 * @param now the channel's bindings in the present document; undefined: none
 */
export function compareTopics(
  action: Channel['action'],
  before: unknown,
  now: unknown,
): readonly TopicChange[] {
  const [former, present] = [settingsOf(before), settingsOf(now)];
  const policy = (settings: TopicSettings) =>
    (settings['cleanup.policy'] ?? ['delete']).toSorted().join(',');
  const policies: readonly TopicChange[] =
    policy(former) === policy(present)
      ? []
      : [differs('cleanup.policy', policy(former), policy(present), 'breaks')];
  const limits = LIMITS.flatMap((name): readonly TopicChange[] => {
    const [was, is] = [former[name], present[name]];
    if (was === is) return [];
    const noticedBy: Channel['action'] = name === 'max.message.bytes' ? 'receive' : 'send';
    const isLess = size(name, is) < size(name, was);
    return [differs(name, was, is, isLess && action === noticedBy ? 'breaks' : 'adds')];
  });
  return [...policies, ...limits];
}

function settingsOf(bindings: unknown): TopicSettings {
  return topicBinding.safeParse(bindings).data?.kafka?.topicConfiguration ?? {};
}

/** Makes limits comparable. */
function size(name: keyof typeof KAFKA_DEFAULTS, value: number | undefined): number {
  const limit = value ?? KAFKA_DEFAULTS[name];
  return limit < 0 ? Number.POSITIVE_INFINITY : limit;
}

function differs(
  name: string,
  was: number | string | undefined,
  is: number | string | undefined,
  effect: TopicChange['effect'],
): TopicChange {
  const [now, before] = [is, was].map((value) => value ?? "Kafka's default");
  return { text: `${name} is ${now}, was ${before}`, effect };
}
