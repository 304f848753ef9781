// MikroORM's command line loads a TypeScript config only with a loader such as tsx. Node needs no
// loader.
export { default } from './mikro-orm.config.ts';
