"""The client that ariadne-codegen made of queries.graphql: python use.py <url> <token>.

Prints {story, content, node, page}: what was generated, and the ids under which it was found; then
{event}: the id of the content that an event told of; then {code}: of a bad input.
"""

import asyncio
import json
import sys

from generated import Client
from generated.enums import StoryElementType
from generated.exceptions import GraphQLClientGraphQLMultiError
from generated.input_types import GenerateStoryInput, StoryContextInput


def tell(**found: object) -> None:
    print(json.dumps(found))


def story(parent: str | None = None) -> GenerateStoryInput:
    context = StoryContextInput(setting="a harbour")
    return GenerateStoryInput(
        element_type=StoryElementType.PLOT, context=context, parent_element_id=parent
    )


async def main(url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    client = Client(
        url,
        headers,
        ws_url=url.replace("http", "ws", 1),
        ws_connection_init_payload={"authorization": token},
    )
    async with client:
        cursor = (await client.event_cursor()).event_cursor
        made = (await client.generate_story(story())).generate_story.story
        content = (await client.content(made.id)).content
        node = (await client.node(made.id)).node
        page = (await client.contents(10)).contents
        ids = [edge.node.id for edge in page.edges]
        tell(story=made.id, content=content.id, node=node.id, page=ids)
        async for result in client.story_generated(cursor):
            tell(event=result.story_generated.content.id)
            break
        try:
            await client.generate_story(story("nobody's"))
        except GraphQLClientGraphQLMultiError as error:
            tell(code=error.errors[0].extensions["code"])


asyncio.run(main(*sys.argv[1:]))
