// What each form holds at first, so that one press of a button gives a text worth reading.

const TALE =
  'The lighthouse at Saltmere had been dark for nine years when the drowned began to ' +
  'walk up the causeway, one each night, each carrying a lamp that would not go out. Marrit, who ' +
  'keeps the toll gate, counts them. Last night she counted her brother, and she opened the gate.';

const SALTMERE = {
  campaignTheme: 'a haunted coast',
  partyLevel: 5,
  setting: 'the harbour of Saltmere',
};
const OMINOUS = { tone: 'ominous' };

export const SAMPLES = {
  characterContent: {
    type: 'BACKSTORY',
    characterContext: {
      characterClass: 'warlock',
      characterRace: 'tiefling',
      characterLevel: 5,
      alignment: 'chaotic good',
      background: 'lighthouse keeper',
    },
    theme: OMINOUS,
  },
  campaignContent: {
    type: 'QUEST',
    campaignContext: {
      campaignTheme: 'a haunted coast',
      partyLevel: 5,
      partySize: 4,
      duration: 'six sessions',
    },
    theme: OMINOUS,
  },
  story: { elementType: 'SCENE', context: SALTMERE, theme: OMINOUS },
  npc: { role: 'QUEST_GIVER', context: SALTMERE, traits: [{ key: 'temper', value: 'short' }] },
  location: {
    locationType: 'TAVERN',
    context: SALTMERE,
    size: 'three rooms and a yard',
    purpose: "a smugglers' market",
  },
  item: { kind: 'WONDROUS', rarity: 'RARE', context: SALTMERE },
  themeAnalysis: { content: TALE, targetTheme: { genre: 'horror', tone: 'ominous' } },
  contentValidation: {
    content: TALE,
    contentType: 'story',
    rules: [
      { category: 'QUALITY', name: 'readable' },
      { category: 'THEME', name: 'stays ominous', isRequired: false },
    ],
  },
};
