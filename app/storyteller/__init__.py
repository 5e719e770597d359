"""How the storyteller works: grammars that tell, word lists that analyse, rules that judge."""
