// MikroORM's command line looks for a config in TypeScript only when a loader such as tsx is installed; Node needs none.
export { default } from './mikro-orm.config.ts';
