import { Migration } from '@mikro-orm/migrations';

/** Keeps on a lane's row that an operator has paused the lane: JSON with `by`, `at`, `reason`. */
export class Migration20261128091000 extends Migration {
  override up(): void {
    this.addSql('alter table source_positions add column pause text null');
  }

  override down(): void {
    this.addSql('alter table source_positions drop column pause');
  }
}
