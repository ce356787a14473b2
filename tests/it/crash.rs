//! What must hold whatever happens to the process, the disk or the kernel.

mod cuts;
mod descriptors;
mod full_disk;
mod inject;
mod kill;
mod power_cut;
mod read_only;
mod repeats;
mod results;
mod slow_disk;
mod sync_order;
mod volume;
