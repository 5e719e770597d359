// Made from schema.graphql by generate.py. Do not edit: `make client-types`.

/** Character content to generate. */
export interface GenerateCharacterContentInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** What to write. */
  type: CharacterContentType;
  /** Who the character is. */
  characterContext: CharacterContextInput;
  /** How it should feel. */
  theme?: ThemeInput | null;
  /** Which model writes, and how freely. */
  model?: ModelInput | null;
  /** The content that this one continues. */
  parentContentId?: string | null;
}

/** What a request wants of the cache. */
export type CacheUse = 'USE' | 'REFRESH' | 'BYPASS';

/** What becomes of a request whose client leaves. */
export type OnDisconnect = 'CONTINUE' | 'CANCEL';

/** What to write about a character. */
export type CharacterContentType = 'BACKSTORY' | 'PERSONALITY' | 'COMBAT' | 'EQUIPMENT';

/** Who the character is. */
export interface CharacterContextInput {
  /** Such as `warlock`. */
  characterClass?: string | null;
  /** Such as `tiefling`. */
  characterRace?: string | null;
  /** 1 to 20. */
  characterLevel?: number | null;
  /** Such as `chaotic good`. */
  alignment?: string | null;
  /** Such as `sage`. */
  background?: string | null;
  /** Further keys, passed on to the prompt. */
  extra?: KeyValue[] | null;
}

/** A further key with its value. */
export interface KeyValue {
  /** The key; 1 to 100 characters. */
  key: string;
  /** The value; at most 4,000 characters. */
  value: string;
}

/** How it should feel. */
export interface ThemeInput {
  /** Such as `dark fantasy`. */
  genre?: string | null;
  /** Such as `ominous` or `light-hearted`. */
  tone?: string | null;
  /** Such as `spare` or `ornate`. */
  style?: string | null;
  /** Further keys, passed on to the prompt. */
  extra?: KeyValue[] | null;
}

/** Which model writes, and how freely. */
export interface ModelInput {
  /** A configured model, see `Query.models`; default `gpt-4-turbo`. */
  name?: string | null;
  /** 0 to 2; default 0.7. Where the model takes none, `metadata.ignoredParameters` says so. */
  temperature?: number | null;
  /** Tokens of visible text, at least 1; what the model thinks comes on top. Default 1000, or 1500 to 1900 for what has several fields. */
  maxTokens?: number | null;
  /** For the same words again, where the model can; `metadata.seed` tells which one was used. */
  seed?: number | null;
  /** The model to ask when this one cannot answer. */
  fallbackModel?: string | null;
}

/** Generated character content. */
export interface GenerateCharacterContentPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The content. */
  content: GeneratedContent;
}

/** How a rate limit, or a quota of what is kept, stands for the caller. */
export interface RateLimit {
  /** Which limit it is, such as `operation:text_generation` or `user`; `quota:contents` and `quota:bytes` are what may be kept. */
  scope: string;
  /** What it admits in its window; at most 2,147,483,647 is told. */
  limit: number;
  /** What is left of it. */
  remaining: number;
  /** When it has room again, or its count next falls; of a quota now, for deleting frees. */
  resetAt: string;
  /** The length of its sliding window; 0 for a quota. */
  windowSeconds: number;
}

/** What the cache did. */
export type CacheStatus = 'HIT' | 'MISS' | 'COALESCED' | 'BYPASS';

/** Generated prose about a character or a campaign. */
export interface GeneratedContent {
  __typename: 'GeneratedContent';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** The prose. */
  text: string;
  /** The content that this one continues. */
  parentContentId: string | null;
}

/** What kind of content a result is. */
export type ContentType = 'CHARACTER' | 'CAMPAIGN' | 'STORY' | 'THEME' | 'VALIDATION';

/** What an answer tells about itself. */
export interface Metadata {
  /** What kind of content it is. */
  contentType: ContentType;
  /** The model that wrote it; `storyteller` is the embedded one. */
  modelUsed: string;
  /** The tokens that it took. */
  tokenUsage: TokenUsage;
  /** The request that made it. */
  requestId: string;
  /** When it was made. */
  createdAt: string;
  /** Whether it was an earlier answer, given again. */
  cached: boolean;
  /** Whether a simpler model than the one asked for wrote it. */
  degraded: boolean;
  /** Whether the text came to its own end. */
  finishReason: FinishReason;
  /** What was tried for it, in order. */
  attempts: Attempt[];
  /** US dollars for its own tokens; null where no price is known. */
  cost: number | null;
  /** The model's name in its provider's own answer; null without one. */
  upstreamModel: string | null;
  /** What of the request could not be used: names of its `model`, or paths in its input. */
  ignoredParameters: string[];
  /** The seed that was used; null without one, or where it is no 32-bit number. */
  seed: number | null;
  /** Which wording of the prompt was used. */
  promptVersion: string;
  /** The canary that made it; null without one. */
  variant: string | null;
}

/** The tokens that an answer took, as its model counted them. */
export interface TokenUsage {
  /** Tokens of what the model was asked. */
  promptTokens: number;
  /** Tokens of what the model wrote. */
  completionTokens: number;
  /** Both together. */
  totalTokens: number;
  /** Prompt tokens that the provider had in its own cache. */
  cachedTokens: number;
  /** Prompt tokens that it keeps there from now on. */
  cacheWriteTokens: number;
  /** Answer tokens that the model spent on thinking. */
  reasoningTokens: number;
  /** Who counted them. */
  source: TokenSource;
}

/** Who counted the tokens of an answer. */
export type TokenSource = 'PROVIDER' | 'GATEWAY';

/** Why a model stopped. */
export type FinishReason = 'STOP' | 'LENGTH';

/** What became of one attempt on a model. */
export interface Attempt {
  /** The model. */
  model: string;
  /** How it ended. */
  outcome: AttemptOutcome;
  /** How long it took, in milliseconds; 0 when the model was not called. */
  ms: number;
  /** The tokens that it took where it gave no answer; null where nothing is to be paid. An answer's own are in `tokenUsage`. */
  usage: AttemptUsage | null;
}

/** How one attempt on a model ended. */
export type AttemptOutcome = 'OK' | 'LIMITED' | 'OPEN' | 'BUSY' | 'UNCONFIGURED' | 'UNREACHABLE' | 'OVERLOADED' | 'FAILED' | 'FORBIDDEN' | 'REFUSED' | 'TOO_LONG' | 'REJECTED' | 'SILENT' | 'STALLED' | 'TIMEOUT' | 'CUT' | 'MALFORMED' | 'EMPTY' | 'EXHAUSTED' | 'TRUNCATED' | 'INVALID' | 'CANCELLED';

/** The tokens that an attempt took that gave no answer. */
export interface AttemptUsage {
  /** Tokens of what the model was asked. */
  promptTokens: number;
  /** Tokens of what came of its text. */
  completionTokens: number;
  /** Both together. */
  totalTokens: number;
  /** Whether the gateway counted them, as the provider did not say. */
  estimated: boolean;
}

/** Campaign content to generate. */
export interface GenerateCampaignContentInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** What to write. */
  type: CampaignContentType;
  /** What campaign it is for. */
  campaignContext: CampaignContextInput;
  /** How it should feel. */
  theme?: ThemeInput | null;
  /** Which model writes, and how freely. */
  model?: ModelInput | null;
  /** The content that this one continues. */
  parentContentId?: string | null;
}

/** What to write for a campaign. */
export type CampaignContentType = 'PLOT' | 'LOCATION' | 'QUEST' | 'DIALOGUE' | 'EVENT';

/** What campaign a text is for. */
export interface CampaignContextInput {
  /** Such as `a haunted coast`. */
  campaignTheme?: string | null;
  /** 1 to 20. */
  partyLevel?: number | null;
  /** At least 1. */
  partySize?: number | null;
  /** Such as `six sessions`. */
  duration?: string | null;
  /** Further keys, passed on to the prompt. */
  extra?: KeyValue[] | null;
}

/** Generated campaign content. */
export interface GenerateCampaignContentPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The content. */
  content: GeneratedContent;
}

/** A story element to generate. */
export interface GenerateStoryInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** What part of a story to write. */
  elementType: StoryElementType;
  /** Where the story stands. */
  context: StoryContextInput;
  /** Further wishes. */
  parameters?: KeyValue[] | null;
  /** How it should feel. */
  theme?: ThemeInput | null;
  /** Which model writes, and how freely. */
  model?: ModelInput | null;
  /** The element that this one continues. */
  parentElementId?: string | null;
}

/** What part of a story to write. */
export type StoryElementType = 'PLOT' | 'QUEST' | 'SCENE' | 'DIALOGUE' | 'DESCRIPTION' | 'EVENT';

/** Where a story stands. */
export interface StoryContextInput {
  /** Such as `a haunted coast`. */
  campaignTheme?: string | null;
  /** 1 to 20. */
  partyLevel?: number | null;
  /** At least 1. */
  partySize?: number | null;
  /** Such as `sandbox`. */
  campaignType?: string | null;
  /** Such as `the harbour of Saltmere`. */
  setting?: string | null;
  /** Such as `short`. */
  length?: string | null;
  /** Further keys, passed on to the prompt. */
  extra?: KeyValue[] | null;
}

/** A generated story element. */
export interface GenerateStoryPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The story element. */
  story: Story;
}

/** A story element for a campaign. */
export interface Story {
  __typename: 'Story';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** What part of a story it is. */
  elementType: StoryElementType;
  /** The prose. */
  text: string;
  /** The prose told in one or two sentences. */
  summary: string;
  /** The element that this one continues. */
  parentElementId: string | null;
  /** The elements that continue this one, the oldest first. */
  childElements: string[];
}

/** A non-player character to generate. */
export interface GenerateNpcInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** What the person is to the party. */
  role: NpcRole;
  /** Where the person stands. */
  context: StoryContextInput;
  /** Traits to keep, such as `temper` and `short`. */
  traits?: KeyValue[] | null;
  /** To whom they stand how: a name and a nature. */
  relationships?: KeyValue[] | null;
  /** How it should feel. */
  theme?: ThemeInput | null;
  /** Which model writes, and how freely. */
  model?: ModelInput | null;
}

/** What a person is to the party. */
export type NpcRole = 'ALLY' | 'ANTAGONIST' | 'MERCHANT' | 'QUEST_GIVER' | 'LORE_KEEPER' | 'MENTOR' | 'NEUTRAL';

/** A generated non-player character. */
export interface GenerateNpcPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The person. */
  npc: Npc;
}

/** A non-player character. */
export interface Npc {
  __typename: 'Npc';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** What the person is called. */
  name: string;
  /** What the person is to the party. */
  role: NpcRole;
  /** What is seen and heard first. */
  description: string;
  /** How they treat others, and how they speak. */
  personality: string;
  /** What they want. */
  motivations: string[];
  /** What they would not want known. */
  secrets: string[];
  /** To whom they stand how. */
  relationships: Relationship[];
}

/** How a person stands to somebody. */
export interface Relationship {
  /** To whom. */
  to: string;
  /** How. */
  nature: string;
}

/** A location to generate. */
export interface GenerateLocationInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** What kind of place it is. */
  locationType: LocationType;
  /** Where the place stands. */
  context: StoryContextInput;
  /** Such as `small` or `three rooms and a yard`. */
  size: string;
  /** What it is for, such as `a smugglers' market`. */
  purpose: string;
  /** Who must be there. */
  occupants?: string[] | null;
  /** What must be there. */
  features?: string[] | null;
  /** How it should feel. */
  theme?: ThemeInput | null;
  /** Which model writes, and how freely. */
  model?: ModelInput | null;
}

/** What kind of place it is. */
export type LocationType = 'TOWN' | 'DUNGEON' | 'WILDERNESS' | 'LANDMARK' | 'BUILDING' | 'SHOP' | 'TAVERN';

/** A generated location. */
export interface GenerateLocationPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The place. */
  location: Location;
}

/** A place for a campaign. */
export interface Location {
  __typename: 'Location';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** What the place is called. */
  name: string;
  /** What kind of place it is. */
  locationType: LocationType;
  /** To read aloud on arrival. */
  description: string;
  /** What the party may look into. */
  pointsOfInterest: string[];
  /** Who is there. */
  occupants: string[];
  /** What a search may find. */
  secrets: string[];
  /** Reasons to come, or to come back. */
  hooks: string[];
}

/** A magic item to generate. */
export interface GenerateItemInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** What kind of thing it is. */
  kind: ItemKind;
  /** How rare it is; by default what the party's level usually finds. */
  rarity?: ItemRarity | null;
  /** Where the item belongs. */
  context: StoryContextInput;
  /** How it should feel. */
  theme?: ThemeInput | null;
  /** Which model writes, and how freely. */
  model?: ModelInput | null;
  /** The content that this one continues. */
  parentContentId?: string | null;
}

/** What kind of thing it is. */
export type ItemKind = 'WEAPON' | 'ARMOR' | 'POTION' | 'RING' | 'ROD' | 'SCROLL' | 'STAFF' | 'WAND' | 'WONDROUS';

/** How rare it is, and so how strong it may be. */
export type ItemRarity = 'COMMON' | 'UNCOMMON' | 'RARE' | 'VERY_RARE' | 'LEGENDARY' | 'ARTIFACT';

/** A generated magic item. */
export interface GenerateItemPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The item. */
  item: Item;
}

/** A magic item. */
export interface Item {
  __typename: 'Item';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** What the item is called. */
  name: string;
  /** What kind of thing it is. */
  kind: ItemKind;
  /** How rare it is. */
  rarity: ItemRarity;
  /** Who may attune; null when nobody has to. */
  attunement: string | null;
  /** What is seen, heard and felt of it. */
  description: string;
  /** What it does, by its rarity's measure. */
  properties: ItemProperty[];
  /** Who made it, and through whose hands it went. */
  history: string;
  /** Its price or its curse, if it has one. */
  drawback: string | null;
  /** Where the party may find it, and how. */
  found: string;
  /** The content that this one continues. */
  parentContentId: string | null;
}

/** One thing that an item does. */
export interface ItemProperty {
  /** What it is called. */
  name: string;
  /** What it does, in the rules' own words. */
  effect: string;
  /** How many it has; null where it needs none. */
  charges: number | null;
  /** How spent charges come back, if they do. */
  recharge: string | null;
}

/** A text whose theme is to be analysed. */
export interface AnalyzeThemeInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** The text; 1 to 50,000 characters. */
  content: string;
  /** What its theme is meant to be. */
  currentTheme?: ThemeInput | null;
  /** The theme to compare it with. */
  targetTheme?: ThemeInput | null;
  /** The sides to look at; default all. */
  elements?: ThemeElement[] | null;
  /** The only categories that may be answered. */
  categoryFilter?: ThemeCategory[] | null;
}

/** A side of a text that is looked at by itself. */
export type ThemeElement = 'TONE' | 'MOOD' | 'SETTING' | 'CONFLICT' | 'SYMBOLISM' | 'CHARACTER_FOCUS' | 'STORY_STRUCTURE' | 'WORLD_BUILDING';

/** What kind of tale a text is. */
export type ThemeCategory = 'FANTASY' | 'HORROR' | 'MYSTERY' | 'ADVENTURE' | 'DRAMA' | 'COMEDY' | 'HEROIC' | 'DARK' | 'EPIC' | 'UNDECIDED';

/** An analysed theme. */
export interface AnalyzeThemePayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The analysis. */
  analysis: ThemeAnalysis;
}

/** What kind of tale a text is, and how well that is worked out. */
export interface ThemeAnalysis {
  __typename: 'ThemeAnalysis';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** What it is most of all; undecided where the storyteller could not tell. */
  primaryCategory: ThemeCategory;
  /** What it is besides. */
  secondaryCategories: ThemeCategory[];
  /** How sure the category is, 0 to 1. */
  categoryConfidence: number;
  /** The asked elements, in the asked order. */
  elements: ElementAnalysis[];
  /** How well it would fit the target theme; null where none was given. */
  compatibility: ThemeCompatibility | null;
  /** How well the theme is worked out, 0 to 1. */
  overallScore: number;
  /** The analysis in one or two sentences. */
  summary: string;
}

/** What one side of a text does for its theme. */
export interface ElementAnalysis {
  /** The side that was looked at. */
  element: ThemeElement;
  /** How strongly and how well it is worked out, 0 to 1. */
  score: number;
  /** What the text does. */
  description: string;
  /** What would strengthen it. */
  suggestions: string[];
}

/** How well a text would fit another theme. */
export interface ThemeCompatibility {
  /** 0: not at all, 1: as it is; null where the storyteller could not judge it. */
  score: number | null;
  /** What stands against it. */
  conflicts: string[];
  /** What would strengthen it. */
  enhancements: string[];
  /** How to get there, step by step. */
  transitionSteps: string[];
}

/** A text to hold against rules. */
export interface ValidateContentInput {
  /** Whether an earlier answer will do; analyses and validations USE it unless told otherwise. */
  cache?: CacheUse | null;
  /** Take an earlier answer to a request that is so alike, 0 to 1; off unless given. */
  similar?: number | null;
  /** 1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer. */
  idempotencyKey?: string | null;
  /** Whether a simpler model than the one asked for will do. */
  allowDegraded?: boolean;
  /** What becomes of it when you leave. */
  onDisconnect?: OnDisconnect;
  /** The text; 1 to 50,000 characters. */
  content: string;
  /** What it is, such as `character`. */
  contentType: string;
  /** 1 to 20 rules. */
  rules: RuleInput[];
  /** The theme that it should keep. */
  theme?: ThemeInput | null;
  /** What is known beside the text. */
  context?: KeyValue[] | null;
}

/** A rule to hold a text against. */
export interface RuleInput {
  /** A UUID; without it one is made from category and name. */
  id?: string | null;
  /** What the rule looks at. */
  category: RuleCategory;
  /** Its name; 1 to 200 characters. */
  name: string;
  /** What it demands. */
  description?: string | null;
  /** Its parameters, such as `min_words`. */
  parameters?: KeyValue[] | null;
  /** Whether the text fails when this rule does. */
  isRequired?: boolean;
}

/** What a validation rule looks at. */
export type RuleCategory = 'THEME' | 'QUALITY' | 'CONSISTENCY' | 'RULES' | 'CUSTOM';

/** A validated text. */
export interface ValidateContentPayload {
  /** The request's id; quote it when you report a problem. */
  requestId: string;
  /** The tightest limit that this request touched. */
  rateLimit: RateLimit;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** How alike the request was that this answer was made for, where it was another. */
  similarity: number | null;
  /** The validation. */
  validation: ContentValidation;
}

/** A text held against rules. */
export interface ContentValidation {
  __typename: 'ContentValidation';
  /** Globally unique, opaque, and the same for ever: what caches know it by. */
  id: string;
  /** Its UUID, by which REST and events name it. */
  contentId: string;
  /** What kind of content it is. */
  contentType: ContentType;
  /** When it was made. */
  createdAt: string;
  /** What it tells about itself. */
  metadata: Metadata;
  /** The mean of the judged rules' scores, 0 to 1; 0 where none was judged. */
  overallScore: number;
  /** Whether every required rule that was judged passed. */
  passed: boolean;
  /** A result for each rule, in the rules' order. */
  results: RuleResult[];
  /** The verdict in one or two sentences. */
  summary: string;
}

/** How a text stands against one rule. */
export interface RuleResult {
  /** The rule's given id, else one made from its category and name. */
  ruleId: string;
  /** Whether the rule was judged; where not, it has neither verdict nor score. */
  judged: boolean;
  /** Whether the text keeps the rule; null where it was not judged. */
  passed: boolean | null;
  /** How well, 0 to 1; null where it was not judged. */
  score: number | null;
  /** What the rule found. */
  issues: ValidationIssue[];
}

/** One thing that a rule found in a text. */
export interface ValidationIssue {
  /** How bad it is. */
  severity: Severity;
  /** What is wrong. */
  message: string;
  /** The words of the text where it is, if it has a place. */
  location: string | null;
  /** How to mend it. */
  suggestions: string[];
}

/** How bad an issue is. */
export type Severity = 'ERROR' | 'WARNING' | 'INFO';

/** A job that writes one content. */
export interface Generation {
  /** Its id. */
  id: string;
  /** What is generated, such as `character`. */
  operation: string;
  /** How far it is. */
  state: GenerationState;
  /** Its last event's place; `generation(after:)` goes on behind it. */
  cursor: string;
  /** The text so far; null where none is told before the end. */
  text: string | null;
  /** The content's id, once it is stored. */
  contentId: string | null;
}

/** How far a generation is. */
export type GenerationState = 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

/** What happened. */
export type EventType = 'CONTENT_GENERATED' | 'STORY_GENERATED' | 'THEME_ANALYZED' | 'VALIDATION_COMPLETED' | 'CONTENT_RATED' | 'BUDGET_WARNED';

/** Something that happened. */
export type Event = BudgetWarnedEvent | ContentGeneratedEvent | ContentRatedEvent | StoryGeneratedEvent | ThemeAnalyzedEvent | ValidationCompletedEvent;

/** A budget is spent up to where it warns; once in its period. The content is the one that it was noticed with, and may not have come to be. */
export interface BudgetWarnedEvent {
  __typename: 'BudgetWarnedEvent';
  type: 'BUDGET_WARNED';
  /** The same on a repeat: dedupe by it. */
  id: string;
  /** Its place in the log; go on behind it with `after`. */
  cursor: string;
  /** The content that it is about. */
  contentId: string;
  /** What kind of content that is. */
  contentType: ContentType;
  /** Whose it is. */
  userId: string;
  /** The request that made it. */
  requestId: string;
  /** The service that it came from. */
  source: string;
  /** When it happened. */
  occurredAt: string;
  /** What made it. */
  metadata: EventMetadata;
  /** The content itself; null when it is not yours or is gone. */
  content: Content | null;
  /** The budget's name. */
  budget: string;
  /** How often it renews. */
  period: BudgetPeriod;
  /** What it counts. */
  unit: BudgetUnit;
  /** How much there is in a period. */
  limit: number;
  /** How much of it is spent. */
  spent: number;
  /** The same as a share of the limit. */
  share: number;
  /** When the next period begins. */
  renewsAt: string;
}

/** What an event tells about the answer that made it. */
export interface EventMetadata {
  /** The model that wrote it. */
  modelUsed: string;
  /** The tokens that it took. */
  tokenUsage: TokenUsage;
  /** Which wording of the prompt was used. */
  promptVersion: string;
  /** The canary that made it; null without one. */
  variant: string | null;
  /** The span that made it, by W3C trace context; null where the gateway has no traces. */
  traceparent: string | null;
}

/** Anything that the gateway made and keeps for its owner. */
export type Content = ContentValidation | GeneratedContent | Item | Location | Npc | Story | ThemeAnalysis;

/** How often a budget renews, by UTC's calendar. */
export type BudgetPeriod = 'DAY' | 'MONTH';

/** What a budget counts. */
export type BudgetUnit = 'USD' | 'TOKENS';

/** Character, campaign or story text was generated. */
export interface ContentGeneratedEvent {
  __typename: 'ContentGeneratedEvent';
  type: 'CONTENT_GENERATED';
  /** The same on a repeat: dedupe by it. */
  id: string;
  /** Its place in the log; go on behind it with `after`. */
  cursor: string;
  /** The content that it is about. */
  contentId: string;
  /** What kind of content that is. */
  contentType: ContentType;
  /** Whose it is. */
  userId: string;
  /** The request that made it. */
  requestId: string;
  /** The service that it came from. */
  source: string;
  /** When it happened. */
  occurredAt: string;
  /** What made it. */
  metadata: EventMetadata;
  /** The content itself; null when it is not yours or is gone. */
  content: Content | null;
}

/** A user rated a content of theirs; the last one of it counts. */
export interface ContentRatedEvent {
  __typename: 'ContentRatedEvent';
  type: 'CONTENT_RATED';
  /** The same on a repeat: dedupe by it. */
  id: string;
  /** Its place in the log; go on behind it with `after`. */
  cursor: string;
  /** The content that it is about. */
  contentId: string;
  /** What kind of content that is. */
  contentType: ContentType;
  /** Whose it is. */
  userId: string;
  /** The request that made it. */
  requestId: string;
  /** The service that it came from. */
  source: string;
  /** When it happened. */
  occurredAt: string;
  /** What made it. */
  metadata: EventMetadata;
  /** The content itself; null when it is not yours or is gone. */
  content: Content | null;
  /** 1 (poor) to 5 (excellent). */
  score: number;
}

/** A story element was generated. */
export interface StoryGeneratedEvent {
  __typename: 'StoryGeneratedEvent';
  type: 'STORY_GENERATED';
  /** The same on a repeat: dedupe by it. */
  id: string;
  /** Its place in the log; go on behind it with `after`. */
  cursor: string;
  /** The content that it is about. */
  contentId: string;
  /** What kind of content that is. */
  contentType: ContentType;
  /** Whose it is. */
  userId: string;
  /** The request that made it. */
  requestId: string;
  /** The service that it came from. */
  source: string;
  /** When it happened. */
  occurredAt: string;
  /** What made it. */
  metadata: EventMetadata;
  /** The content itself; null when it is not yours or is gone. */
  content: Content | null;
  /** What part of a story it is. */
  elementType: StoryElementType;
  /** The element in one or two sentences. */
  summary: string;
}

/** A text's theme was analysed. */
export interface ThemeAnalyzedEvent {
  __typename: 'ThemeAnalyzedEvent';
  type: 'THEME_ANALYZED';
  /** The same on a repeat: dedupe by it. */
  id: string;
  /** Its place in the log; go on behind it with `after`. */
  cursor: string;
  /** The content that it is about. */
  contentId: string;
  /** What kind of content that is. */
  contentType: ContentType;
  /** Whose it is. */
  userId: string;
  /** The request that made it. */
  requestId: string;
  /** The service that it came from. */
  source: string;
  /** When it happened. */
  occurredAt: string;
  /** What made it. */
  metadata: EventMetadata;
  /** The content itself; null when it is not yours or is gone. */
  content: Content | null;
  /** What kind of tale it is. */
  themeCategory: ThemeCategory;
  /** How sure that is, 0 to 1. */
  confidence: number;
}

/** A text was held against rules. */
export interface ValidationCompletedEvent {
  __typename: 'ValidationCompletedEvent';
  type: 'VALIDATION_COMPLETED';
  /** The same on a repeat: dedupe by it. */
  id: string;
  /** Its place in the log; go on behind it with `after`. */
  cursor: string;
  /** The content that it is about. */
  contentId: string;
  /** What kind of content that is. */
  contentType: ContentType;
  /** Whose it is. */
  userId: string;
  /** The request that made it. */
  requestId: string;
  /** The service that it came from. */
  source: string;
  /** When it happened. */
  occurredAt: string;
  /** What made it. */
  metadata: EventMetadata;
  /** The content itself; null when it is not yours or is gone. */
  content: Content | null;
  /** Whether every judged required rule passed. */
  passed: boolean;
  /** The mean of the judged rules' scores, 0 to 1. */
  overallScore: number;
}

/** Something that a generation tells. */
export type GenerationEvent = GenerationCancelled | GenerationCompleted | GenerationDelta | GenerationFailed | GenerationReset | GenerationStarted;

/** The generation was cancelled. */
export interface GenerationCancelled {
  type: 'cancelled';
  /** Whose event it is. */
  generationId: string;
  /** Its place; go on behind it with `after`. */
  cursor: string;
}

/** The generation has ended: its content is stored. */
export interface GenerationCompleted {
  type: 'completed';
  /** Whose event it is. */
  generationId: string;
  /** Its place; go on behind it with `after`. */
  cursor: string;
  /** The content's id. */
  contentId: string;
  /** Whether the text came to its own end. */
  finishReason: FinishReason;
  /** What the cache did. */
  cacheStatus: CacheStatus;
  /** The content itself; null when it has been deleted. */
  content: Content | null;
}

/** The next piece of the text. */
export interface GenerationDelta {
  type: 'delta';
  /** Whose event it is. */
  generationId: string;
  /** Its place; go on behind it with `after`. */
  cursor: string;
  /** 1, 2, 3 and so on. */
  seq: number;
  /** The piece; all since the last reset, joined, are the text. */
  text: string;
}

/** The generation has ended without content. */
export interface GenerationFailed {
  type: 'failed';
  /** Whose event it is. */
  generationId: string;
  /** Its place; go on behind it with `after`. */
  cursor: string;
  /** The code, as in an error's `extensions`. */
  code: string;
  /** What went wrong. */
  message: string;
  /** Whether it may go better when it is started again. */
  retryable: boolean;
  /** Milliseconds until that makes sense, if known. */
  retryAfterMs: number | null;
  /** What was tried. */
  attempts: Attempt[];
}

/** A model failed midway and another attempt begins: drop the text. */
export interface GenerationReset {
  type: 'reset';
  /** Whose event it is. */
  generationId: string;
  /** Its place; go on behind it with `after`. */
  cursor: string;
  /** Which attempt begins. */
  attempt: number;
  /** Why the last one ended, such as `stalled` or `cut`. */
  reason: string;
}

/** The generation has begun. */
export interface GenerationStarted {
  type: 'started';
  /** Whose event it is. */
  generationId: string;
  /** Its place; go on behind it with `after`. */
  cursor: string;
  /** What is generated, such as `character`. */
  operation: string;
}

/** What `write` and `start` take, and `write` gives. */
export interface Operations {
  character: { input: GenerateCharacterContentInput; payload: GenerateCharacterContentPayload };
  campaign: { input: GenerateCampaignContentInput; payload: GenerateCampaignContentPayload };
  story: { input: GenerateStoryInput; payload: GenerateStoryPayload };
  npc: { input: GenerateNpcInput; payload: GenerateNpcPayload };
  location: { input: GenerateLocationInput; payload: GenerateLocationPayload };
  item: { input: GenerateItemInput; payload: GenerateItemPayload };
  theme: { input: AnalyzeThemeInput; payload: AnalyzeThemePayload };
  validation: { input: ValidateContentInput; payload: ValidateContentPayload };
}
