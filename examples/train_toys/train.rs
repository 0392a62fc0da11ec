//! The training loop and the measure of what was learned.

use candle_core::{D, Device, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use secateur::task::Example;

use crate::Result;
use crate::lessons::{Course, Lesson, drill};
use crate::net::{Net, log_softmax};

/// Highest learning rate, reached after the warm-up; it then falls to a fiftieth along a cosine.
const LEARNING_RATE: f64 = 3e-3;

/// Steps of the warm-up.
const WARM_UP: usize = 100;

/// Steps between two lines of progress.
const REPORT: usize = 100;

/// Trains on batches that mix all courses.
pub(crate) fn train(
    net: &Net,
    courses: &[Course],
    steps: usize,
    rng: &mut ChaCha8Rng,
) -> Result<()> {
    let parameters = ParamsAdamW {
        lr: 0.0,
        beta1: 0.9,
        beta2: 0.98,
        weight_decay: 0.02,
        ..Default::default()
    };
    let mut optimizer = AdamW::new(net.parameters.values().cloned().collect(), parameters)?;
    let start = std::time::Instant::now();
    for step in 0..steps {
        let warm = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
        let cosine = (std::f64::consts::PI * step as f64 / steps as f64).cos();
        optimizer.set_learning_rate(LEARNING_RATE * warm * (0.51 + 0.49 * cosine));
        let mut batch = Vec::new();
        for course in courses {
            for place in 0..course.per_batch + course.drills {
                let index = rng.next_u64() % course.lessons.len() as u64;
                let lesson = &course.lessons[index as usize];
                batch.push(if place < course.per_batch {
                    lesson.clone()
                } else {
                    drill(lesson, rng)
                });
            }
        }
        let loss = loss(net, &batch)?;
        optimizer.backward_step(&loss)?;
        if (step + 1) % REPORT == 0 {
            let value = loss.to_scalar::<f32>()?;
            let seconds = start.elapsed().as_secs_f64();
            let mut line = vec![format!(
                "step {}: loss {value:.4}, {seconds:.0} s",
                step + 1
            )];
            for course in courses {
                let accuracy = accuracy(net, &course.sample())?;
                line.push(format!("{} {accuracy:.3}", course.name));
            }
            println!("{}", line.join(", "));
        }
    }
    Ok(())
}

/// Cross-entropy in nats between wanted and predicted distributions, summed over targets, mean over prompts.
fn loss(net: &Net, batch: &[Lesson]) -> Result<Tensor> {
    let prompts: Vec<&[u32]> = batch
        .iter()
        .map(|lesson| lesson.tokens.as_slice())
        .collect();
    let (tokens, width) = padded(&prompts);
    let d_vocab = net.shape.d_vocab;
    let (mut reads, mut wanted) = (Vec::new(), Vec::new());
    for (row, lesson) in batch.iter().enumerate() {
        for (position, right) in &lesson.targets {
            reads.push((row * width + position) as u32);
            let mut distribution = vec![0f32; d_vocab];
            let weight = 1.0 / (right.len() * batch.len()) as f32;
            for token in right {
                distribution[*token as usize] = weight;
            }
            wanted.extend(distribution);
        }
    }
    let wanted = Tensor::from_vec(wanted, (reads.len(), d_vocab), &Device::Cpu)?;
    let predicted = log_softmax(&net.logits(&tokens, batch.len(), width, &reads)?)?;
    Ok((wanted * predicted)?.sum_all()?.neg()?)
}

/// Share of examples whose most likely next token is an answer.
pub(crate) fn accuracy(net: &Net, examples: &[Example]) -> Result<f64> {
    let mut right = 0;
    for chunk in examples.chunks(64) {
        let prompts: Vec<&[u32]> = chunk
            .iter()
            .map(|example| example.clean.as_slice())
            .collect();
        let (tokens, width) = padded(&prompts);
        let last = |(row, prompt): (usize, &&[u32])| (row * width + prompt.len() - 1) as u32;
        let reads: Vec<u32> = prompts.iter().enumerate().map(last).collect();
        let logits = net.logits(&tokens, chunk.len(), width, &reads)?.detach();
        let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
        right += chunk
            .iter()
            .zip(best)
            .filter(|(example, token)| example.answer.contains(token))
            .count();
    }
    Ok(right as f64 / examples.len() as f64)
}

/// Prompts filled up with token 0 on the right, where causal attention never looks, and their width.
fn padded(prompts: &[&[u32]]) -> (Vec<u32>, usize) {
    let width = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
    let mut tokens = Vec::with_capacity(prompts.len() * width);
    for prompt in prompts {
        tokens.extend_from_slice(prompt);
        tokens.resize(tokens.len().next_multiple_of(width), 0);
    }
    (tokens, width)
}
