# syntax=docker/dockerfile:1

# Node 24.21.0 on Debian 12. The digest is that of the index of all platforms:
# docs/decisions/0031-how-the-service-is-deployed.md
ARG NODE_IMAGE=node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM $NODE_IMAGE AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && mkdir /data

# No RUN from here on: neither the build of this stage nor the service needs a shell.
FROM $NODE_IMAGE
LABEL org.opencontainers.image.title="allocation" \
  org.opencontainers.image.description="Stock allocation: commands in, exactly-once events out" \
  org.opencontainers.image.version="1.0.0" \
  org.opencontainers.image.licenses="MIT"
# Other machines reach this address. So the start needs tokens or HTTP_AUTH=none: docs/operating.md
ENV NODE_ENV=production HTTP_HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json mikro-orm.config.ts LICENSE ./
COPY migrations migrations
COPY src src
# Without KAFKA_BROKERS and DATABASE_URL, the embedded log and SQLite live in the working directory.
COPY --from=dependencies --chown=1000:1000 /data /data
VOLUME /data
WORKDIR /data
# The user "node", as a number: Kubernetes cannot tell whether a name is root.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/src/cli/allocation.ts"]
CMD ["start"]
