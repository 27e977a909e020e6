# The server in an image of its own, built from this source:
#
#     docker build -t turntable .
#     docker run --rm -p 8080:8080 turntable
#
# docs/operations.md has more: a configuration, the store, health.

FROM rust:1.95-slim-trixie AS build
WORKDIR /source
COPY . .
RUN cargo build --profile dist --locked --package turntable --bin turntable

FROM debian:trixie-slim
# For requests to https backends.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/turntable --create-home turntable
COPY --from=build /source/target/dist/turntable /usr/bin/turntable
USER turntable
WORKDIR /var/lib/turntable
# Within a container only its own network reaches it. The management listener stays on its
# loopback address until it has tokens.
ENV TURNTABLE_SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/turntable"]
CMD ["serve"]
