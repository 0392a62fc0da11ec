//! Moving a base to a close circuit: the recorded activations of its run replace the base's.

use super::attention::Port;
use crate::engine::circuit::base::{Base, Frame};
use crate::graph::EdgeMask;
use crate::model::Real;

/// New activations of one part of a run.
pub(super) enum Patch<T> {
    /// Queries, keys or values of one head or slot.
    Port {
        layer: usize,
        port: Port,
        data: Vec<T>,
    },
    /// A head's result before `W_O`.
    Head {
        layer: usize,
        head: usize,
        z: Vec<T>,
    },
    /// An MLP's writers.
    Mlp {
        layer: usize,
        mlp: Vec<T>,
        neurons: Vec<T>,
    },
}

impl<T> Patch<T> {
    fn len(&self) -> usize {
        match self {
            Self::Port { data, .. } => data.len(),
            Self::Head { z, .. } => z.len(),
            Self::Mlp { mlp, neurons, .. } => mlp.len() + neurons.len(),
        }
    }

    fn layer(&self) -> usize {
        match self {
            Self::Port { layer, .. } | Self::Head { layer, .. } | Self::Mlp { layer, .. } => *layer,
        }
    }
}

/// What a circuit's run from a base has anew.
pub(crate) struct Recording<T> {
    circuit: EdgeMask,
    patches: Vec<Patch<T>>,
    /// The final stream at the rows read.
    pub finals: Vec<T>,
}

impl<T> Recording<T> {
    /// Bytes of its activations.
    pub(crate) fn bytes(&self) -> usize {
        let patches = self.patches.iter().map(Patch::len).sum::<usize>();
        (patches + self.finals.len()) * size_of::<T>()
    }

    /// Whether it is also the run of another circuit with these readers live: one that differs only where no path leads to
    /// `logits`.
    pub(crate) fn is_of(&self, circuit: &EdgeMask, live: &[bool]) -> bool {
        live.iter()
            .enumerate()
            .all(|(reader, &live)| !live || circuit.row(reader) == self.circuit.row(reader))
    }
}

impl<T: Real> Frame<'_, T> {
    /// The runs of some circuits, to which the base can be moved.
    pub(crate) fn record_circuits(
        &self,
        base: &Base<T>,
        circuits: &[EdgeMask],
    ) -> Vec<Recording<T>> {
        let (variants, finals) = self.run_variants(base, circuits, true);
        let runs = variants.into_iter().zip(finals).zip(circuits);
        runs.map(|((variant, finals), circuit)| Recording {
            circuit: circuit.clone(),
            patches: variant.patches,
            finals,
        })
        .collect()
    }

    /// Moves a base to `circuit`, which was recorded from it. Returns the final stream at the rows read.
    ///
    /// Parts without a path to `logits` keep their old activations: nothing reads them as long as circuits only
    /// shrink from here, so `circuit` must be a subset of the base's circuit.
    pub(crate) fn move_base(
        &self,
        base: &mut Base<T>,
        circuit: &EdgeMask,
        recording: Recording<T>,
    ) -> Vec<T> {
        let patches = recording.patches;
        let first = patches.iter().map(Patch::layer).min();
        let config = self.transformer.config();
        let d_head = config.d_head;
        for patch in patches {
            match patch {
                Patch::Port { layer, port, data } => {
                    let slots = self.transformer.layers[layer].k.len();
                    let run = &mut base.layers[layer];
                    match port {
                        Port::Q(head) => write(&mut run.q, config.n_heads, head, d_head, &data),
                        Port::K(slot) => write(&mut run.k, slots, slot, d_head, &data),
                        Port::V(slot) => write(&mut run.v, slots, slot, d_head, &data),
                    }
                }
                Patch::Head { layer, head, z } => {
                    write(&mut base.layers[layer].z, config.n_heads, head, d_head, &z);
                }
                Patch::Mlp {
                    layer,
                    mlp,
                    neurons,
                } => {
                    base.layers[layer].mlp = mlp;
                    base.layers[layer].neurons = neurons;
                }
            }
        }
        base.mask = circuit.clone();
        if let Some(layer) = first {
            self.forget_from(base, layer);
        }
        recording.finals
    }
}

/// Replaces the columns of one head.
fn write<T: Real>(target: &mut [T], heads: usize, head: usize, d_head: usize, data: &[T]) {
    let rows = target.chunks_exact_mut(heads * d_head);
    for (row, new) in rows.zip(data.chunks_exact(d_head)) {
        row[head * d_head..(head + 1) * d_head].copy_from_slice(new);
    }
}
