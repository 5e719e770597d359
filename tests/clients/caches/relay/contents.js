// What a page of contents asks for, as relay-compiler reads it.
import { graphql } from 'relay-runtime';

graphql`
  query contentsQuery($count: Int!) {
    ...contents_page @arguments(count: $count)
  }
`;

graphql`
  fragment contents_page on Query
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" })
  @refetchable(queryName: "contentsPageQuery") {
    contents(first: $count, after: $cursor) @connection(key: "contents_contents") {
      edges { node { id ...contents_row } }
    }
  }
`;

graphql`
  fragment contents_row on Content @refetchable(queryName: "contentsRowQuery") {
    contentType
    createdAt
    metadata { modelUsed tokenUsage { totalTokens } }
    children { id }
  }
`;

graphql`
  fragment contents_story on Story @refetchable(queryName: "contentsStoryQuery") {
    text
  }
`;

graphql`
  mutation contentsGenerateMutation($input: GenerateStoryInput!) {
    generateStory(input: $input) { story { id ...contents_story } }
  }
`;

graphql`
  mutation contentsDeleteMutation($id: ID!, $connections: [ID!]!) {
    deleteContent(id: $id) {
      deletedId @deleteEdge(connections: $connections)
      forgotten: deletedId @deleteRecord
    }
  }
`;

graphql`
  subscription contentsSubscription($after: String) {
    storyGenerated(after: $after) { id content { id ...contents_row } }
  }
`;
