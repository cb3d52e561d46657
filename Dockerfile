# syntax=docker/dockerfile:1
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/setup scripts/setup
RUN scripts/setup build
COPY . .
RUN scripts/build release && strip build/release/gateyes

FROM ${BASE}
RUN apt-get update -qq && \
    apt-get install -y -qq --no-install-recommends libluajit-5.1-2 libuv1 libcurl4 libssl3 zlib1g ca-certificates && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* && \
    useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin gateyes
COPY --from=build /src/build/release/gateyes /usr/local/bin/gateyes
COPY examples/container/gateyes.lua /etc/gateyes/gateyes.lua
USER 10001:10001
WORKDIR /etc/gateyes
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s CMD ["gateyes", "health", "--config", "/etc/gateyes/gateyes.lua"]
ENTRYPOINT ["gateyes"]
CMD ["serve", "--config", "/etc/gateyes/gateyes.lua"]
