# The gateway on Debian, as a user without rights; the root file system may be read-only. Built and tried
# by spec/container.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/setup scripts/setup
RUN scripts/setup build
COPY CMakeLists.txt CMakePresets.json ./
COPY scripts/build scripts/tokenizers scripts/
COPY cmake cmake
COPY bench bench
COPY lua lua
COPY runtime runtime
RUN scripts/build trained && strip build/trained/gateyes

FROM ${BASE}
RUN apt-get update -q && \
    apt-get install -y -q --no-install-recommends libluajit-5.1-2 libuv1 libcurl4 libc-ares2 libssl3 libsqlite3-0 ca-certificates tzdata && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* && \
    useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin gateyes && \
    install -d -m 0700 -o 10001 -g 10001 /var/lib/gateyes
COPY examples/container/gateyes.lua /etc/gateyes/gateyes.lua
COPY --from=build /src/build/trained/gateyes /usr/local/bin/gateyes
COPY --from=build /src/build/trained/tokenizers /usr/local/share/gateyes/tokenizers
USER 10001:10001
WORKDIR /etc/gateyes
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s CMD ["gateyes", "health"]
ENTRYPOINT ["gateyes"]
CMD ["serve"]
