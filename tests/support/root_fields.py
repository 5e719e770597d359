"""Every root field: how it is selected, and the permission that it needs."""

from __future__ import annotations

from app.caller import PERMISSIONS
from resolvers.node import CONTENT, global_id

CHARACTER_FIELD = """generateCharacterContent(input: {
  type: BACKSTORY, characterContext: {characterClass: "bard"}}) { requestId }"""
CAMPAIGN_FIELD = """generateCampaignContent(input: {
  type: QUEST, campaignContext: {campaignTheme: "a drowned crown"}}) { requestId }"""
NPC_FIELD = """generateNpc(input: {
  role: MENTOR, context: {setting: "a harbour"}}) { requestId }"""
LOCATION_FIELD = """generateLocation(input: {locationType: TAVERN,
  context: {setting: "a harbour"}, size: "small", purpose: "talk"}) { requestId }"""
ITEM_FIELD = "generateItem(input: {kind: RING, context: {}}) { requestId }"
STORY_FIELD = """generateStory(input: {
  elementType: PLOT, context: {setting: "a harbour"}}) { requestId }"""
THEME_FIELD = 'analyzeTheme(input: {content: "The lamps went out."}) { requestId }'
VALIDATION_FIELD = """validateContent(input: {content: "The lamps went out.",
  contentType: "character", rules: [{category: QUALITY, name: "Clear"}]}) { requestId }"""
BATCH_FIELD = """generateBatch(requests: [
  {themeAnalysis: {content: "The lamps went out."}}]) { requestId }"""
START_FIELD = """startGeneration(input: {
  themeAnalysis: {content: "The lamps went out."}}) { requestId }"""
RATE_FIELD = """rateContent(input: {
  id: "01a203fd-5084-71ff-812d-9c162c596a5c", score: 4}) { requestId }"""
DELETE_FIELD = 'deleteContent(id: "01a203fd-5084-71ff-812d-9c162c596a5c") { requestId }'

# None for a permission: only a token.
NODE = global_id(CONTENT, "01a203fd-5084-71ff-812d-9c162c596a5c")
ROOT: dict[str, tuple[str, str | None]] = {
    "Query.content": (
        'content(id: "01a203fd-5084-71ff-812d-9c162c596a5c") { contentId }',
        "content:read",
    ),
    "Query.contents": ("contents { edges { cursor } }", "content:read"),
    "Query.node": (
        'node(id: "Q29udGVudDowMWEyMDNmZC01MDg0LTcxZmYtODEyZC05YzE2MmM1OTZhNWM") { id }',
        "content:read",
    ),
    "Query.nodes": (
        'nodes(ids: ["Q29udGVudDowMWEyMDNmZC01MDg0LTcxZmYtODEyZC05YzE2MmM1OTZhNWM"]) { id }',
        "content:read",
    ),
    "Query.viewer": ("viewer { id }", None),
    "Query.budgets": ("budgets { name }", None),
    "Query.rateLimits": ("rateLimits { scope }", None),
    "Query.ratings": ("ratings { truncated }", "gateway:admin"),
    "Query.generation": ('generation(id: "01a203fd-5084-71ff-812d-9c162c596a5c") { id }', None),
    "Query.models": ("models { name }", None),
    "Query.usage": ("usage { until }", None),
    "Query.health": ("health { status }", "nobody asks"),
    "Query.eventCursor": ("eventCursor", "events:subscribe"),
    "Mutation.generateCharacterContent": (CHARACTER_FIELD, "text:generate"),
    "Mutation.generateCampaignContent": (CAMPAIGN_FIELD, "text:generate"),
    "Mutation.generateNpc": (NPC_FIELD, "campaign:generate"),
    "Mutation.generateLocation": (LOCATION_FIELD, "campaign:generate"),
    "Mutation.generateItem": (ITEM_FIELD, "campaign:generate"),
    "Mutation.generateStory": (STORY_FIELD, "campaign:generate"),
    "Mutation.analyzeTheme": (THEME_FIELD, "theme:analyze"),
    "Mutation.validateContent": (VALIDATION_FIELD, "content:validate"),
    "Mutation.generateBatch": (BATCH_FIELD, None),
    "Mutation.startGeneration": (START_FIELD, None),
    "Mutation.cancelGeneration": (
        'cancelGeneration(id: "01a203fd-5084-71ff-812d-9c162c596a5c") { requestId }',
        None,
    ),
    "Mutation.deleteContent": (DELETE_FIELD, "content:write"),
    "Mutation.rateContent": (RATE_FIELD, "content:write"),
    "Subscription.contentGenerated": ("contentGenerated { id }", "events:subscribe"),
    "Subscription.storyGenerated": ("storyGenerated { id }", "events:subscribe"),
    "Subscription.themeAnalyzed": ("themeAnalyzed { id }", "events:subscribe"),
    "Subscription.validationCompleted": ("validationCompleted { id }", "events:subscribe"),
    "Subscription.generation": (
        'generation(id: "01a203fd-5084-71ff-812d-9c162c596a5c") { cursor }',
        None,
    ),
    "Subscription.events": ("events { id }", "events:subscribe"),
}
# What comes of those that need no permission themselves, where it is not their data.
UNPERMITTED = {
    "Mutation.startGeneration": {"FORBIDDEN"},  # by the operation that was chosen
    "Mutation.cancelGeneration": {"NOT_FOUND"},
}
PUBLIC = {"Query.health"}
GUARDED = [name for name in ROOT if name not in PUBLIC]
PERMITTED = [name for name in GUARDED if ROOT[name][1]]
OVER_HTTP = [name for name in GUARDED if not name.startswith("Subscription")]


def document(name: str) -> str:
    return f"{name.partition('.')[0].lower()} {{ {ROOT[name][0]} }}"


def without(permission: str) -> list[str]:
    return [p for p in PERMISSIONS if p != permission]
