//! Speed of the kernels and of the methods, with constant seeds and no download.
//!
//! `cargo bench -- FILTER` times those whose name contains FILTER, `cargo bench -- --test` runs each once, and
//! `scripts/bench-compare.sh` compares two commits.

use std::time::Duration;

use criterion::{Criterion, criterion_group};

mod kernels;
mod methods;

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group!(
    name = engine;
    config = quick();
    targets = kernels::benches, methods::benches
);

fn main() {
    // A thread outside of the pool would wait for it at every product.
    rayon::ThreadPoolBuilder::new()
        .use_current_thread()
        .build_global()
        .expect("no pool was made before");
    engine();
    Criterion::default().configure_from_args().final_summary();
}
