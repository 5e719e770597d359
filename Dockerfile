# The tag is for who reads, the digest is what is taken. CONTRIBUTING.md says how both are renewed.
ARG PYTHON=python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY clients/javascript/src clients/javascript/src
COPY app app
COPY resolvers resolvers
RUN python -m venv /opt/loregate \
 && /opt/loregate/bin/pip install --no-cache-dir -c constraints.txt . \
 && /opt/loregate/bin/pip check
# What is in the image, as CycloneDX. Its maker has an environment of its own, which stays behind.
COPY .ci/tools.txt ./
RUN python -m venv /opt/tools \
 && /opt/tools/bin/pip install --no-cache-dir -r tools.txt \
 && /opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
      --output-file /opt/loregate/sbom.cdx.json /opt/loregate/bin/python

FROM ${PYTHON}
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin loregate \
 && install -d -o loregate -g loregate -m 0700 /data
# Root's: the service cannot write to its own code, on a writable file system either.
COPY --from=build /opt/loregate /opt/loregate
ENV PATH=/opt/loregate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOREGATE_HOST=0.0.0.0 \
    LOREGATE_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8100
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
    ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"LOREGATE_PORT\", \"8100\")}/health/ready', timeout=2)"]
CMD ["loregate", "serve"]
