FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY clients/javascript/src clients/javascript/src
COPY app app
COPY resolvers resolvers
RUN python -m venv /opt/loregate \
 && /opt/loregate/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data loregate \
 && install -d -o loregate -g loregate -m 0700 /data
COPY --from=build /opt/loregate /opt/loregate
ENV PATH=/opt/loregate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOREGATE_HOST=0.0.0.0 \
    LOREGATE_DATA_DIR=/data
USER loregate
WORKDIR /data
VOLUME /data
EXPOSE 8100
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
    ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"LOREGATE_PORT\", \"8100\")}/health/ready', timeout=2)"]
CMD ["loregate", "serve"]
