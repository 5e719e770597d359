// Made from schema.graphql by generate.py. Do not edit: `make client-types`.

export const START =
  'mutation ($input: StartGenerationInput!) { startGeneration(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } generation { id operation state cursor text contentId } } }';
export const CANCEL =
  'mutation ($id: ID!) { cancelGeneration(id: $id) { requestId rateLimit { scope limit remaining resetAt windowSeconds } generation { id operation state cursor text contentId } } }';
export const EVENTS =
  'subscription ($types: [EventType!], $all: Boolean! = false, $after: String) { events(types: $types, all: $all, after: $after) { __typename id type cursor contentId contentType userId requestId source occurredAt metadata { modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } promptVersion variant traceparent } content { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } ... on ContentValidation { overallScore passed results { ruleId judged passed score issues { severity message location suggestions } } summary } ... on GeneratedContent { text parentContentId } ... on Item { name kind rarity attunement description properties { name effect charges recharge } history drawback found parentContentId } ... on Location { name locationType description pointsOfInterest occupants secrets hooks } ... on Npc { name role description personality motivations secrets relationships { to nature } } ... on Story { elementType text summary parentElementId childElements } ... on ThemeAnalysis { primaryCategory secondaryCategories categoryConfidence elements { element score description suggestions } compatibility { score conflicts enhancements transitionSteps } overallScore summary } } ... on BudgetWarnedEvent { budget period unit limit spent share renewsAt } ... on ContentRatedEvent { score } ... on StoryGeneratedEvent { elementType summary } ... on ThemeAnalyzedEvent { themeCategory confidence } ... on ValidationCompletedEvent { passed overallScore } } }';
export const GENERATION =
  'subscription ($id: ID!, $after: String) { generation(id: $id, after: $after) { __typename generationId cursor ... on GenerationCompleted { contentId finishReason cacheStatus content { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } ... on ContentValidation { overallScore passed results { ruleId judged passed score issues { severity message location suggestions } } summary } ... on GeneratedContent { text parentContentId } ... on Item { name kind rarity attunement description properties { name effect charges recharge } history drawback found parentContentId } ... on Location { name locationType description pointsOfInterest occupants secrets hooks } ... on Npc { name role description personality motivations secrets relationships { to nature } } ... on Story { elementType text summary parentElementId childElements } ... on ThemeAnalysis { primaryCategory secondaryCategories categoryConfidence elements { element score description suggestions } compatibility { score conflicts enhancements transitionSteps } overallScore summary } } } ... on GenerationDelta { seq text } ... on GenerationFailed { code message retryable retryAfterMs attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } } ... on GenerationReset { attempt reason } ... on GenerationStarted { operation } } }';

// By the operation's name: its field of a start, its mutation, and the document.
export const OPERATIONS = {
  character: {
    choice: 'characterContent',
    field: 'generateCharacterContent',
    document:
      'mutation ($input: GenerateCharacterContentInput!) { generateCharacterContent(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity content { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } text parentContentId } } }',
  },
  campaign: {
    choice: 'campaignContent',
    field: 'generateCampaignContent',
    document:
      'mutation ($input: GenerateCampaignContentInput!) { generateCampaignContent(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity content { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } text parentContentId } } }',
  },
  story: {
    choice: 'story',
    field: 'generateStory',
    document:
      'mutation ($input: GenerateStoryInput!) { generateStory(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity story { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } elementType text summary parentElementId childElements } } }',
  },
  npc: {
    choice: 'npc',
    field: 'generateNpc',
    document:
      'mutation ($input: GenerateNpcInput!) { generateNpc(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity npc { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } name role description personality motivations secrets relationships { to nature } } } }',
  },
  location: {
    choice: 'location',
    field: 'generateLocation',
    document:
      'mutation ($input: GenerateLocationInput!) { generateLocation(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity location { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } name locationType description pointsOfInterest occupants secrets hooks } } }',
  },
  item: {
    choice: 'item',
    field: 'generateItem',
    document:
      'mutation ($input: GenerateItemInput!) { generateItem(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity item { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } name kind rarity attunement description properties { name effect charges recharge } history drawback found parentContentId } } }',
  },
  theme: {
    choice: 'themeAnalysis',
    field: 'analyzeTheme',
    document:
      'mutation ($input: AnalyzeThemeInput!) { analyzeTheme(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity analysis { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } primaryCategory secondaryCategories categoryConfidence elements { element score description suggestions } compatibility { score conflicts enhancements transitionSteps } overallScore summary } } }',
  },
  validation: {
    choice: 'contentValidation',
    field: 'validateContent',
    document:
      'mutation ($input: ValidateContentInput!) { validateContent(input: $input) { requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity validation { __typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } overallScore passed results { ruleId judged passed score issues { severity message location suggestions } } summary } } }',
  },
};
