/** What a code means, and what is to be done about it. */
export type Meaning = readonly [means: string, toDo: string];
export type Meanings<Code extends string> = Readonly<Record<Code, Meaning>>;

/** A refusal: the status that the agent is sent, or that it would be. */
export type Answered = readonly [status: string, means: string, toDo: string];
