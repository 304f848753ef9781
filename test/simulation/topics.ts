/** The topics of every history. */
export const TOPICS = { commands: 'commands', events: 'events', deadLetters: 'dead-letters' };

/** How many partitions each topic has, and so how many lanes there are. */
export const PARTITIONS = 3;

/** The numbers of the partitions. */
export const PARTITION_INDEXES = Array.from({ length: PARTITIONS }, (_, partition) => partition);
