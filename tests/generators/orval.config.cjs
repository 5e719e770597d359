module.exports = {
  loregate: {
    input: { target: './openapi.json' },
    output: {
      target: './orval/loregate.ts',
      schemas: './orval/model',
      client: 'fetch',
      mode: 'split',
      baseUrl: 'http://gateway.invalid',
    },
  },
};
