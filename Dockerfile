# syntax=docker/dockerfile:1

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-slim
# Other machines reach this address. So the start needs tokens or HTTP_AUTH=none: docs/operating.md
ENV NODE_ENV=production HTTP_HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json mikro-orm.config.ts ./
COPY migrations migrations
COPY src src
# The embedded log and SQLite, where no KAFKA_BROKERS and DATABASE_URL are given, live in the working directory.
RUN mkdir /data && chown node:node /data
WORKDIR /data
USER node
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/src/cli/allocation.ts"]
CMD ["start"]
