//! The files of a net and its data.

use crate::Result;
use std::fs;
use std::path::Path;

pub(crate) struct Net {
    pub(crate) predict: bool,
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    pub(crate) rate: f64,
    /// From the inputs to the outputs.
    pub(crate) widths: Vec<usize>,
}

impl Net {
    pub(crate) fn inputs(&self) -> usize {
        self.widths[0]
    }

    pub(crate) fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }
}

pub(crate) struct Exchange {
    pub(crate) net: Net,
    pub(crate) x: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    /// The first weight, `[inputs][outputs]`, and bias of each layer.
    pub(crate) first: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Exchange {
    pub(crate) fn read(directory: &str) -> Result<Self> {
        let file = |name: &str| Path::new(directory).join(name);
        let floats = |name| Ok::<_, std::io::Error>(bytemuck::pod_collect_to_vec::<u8, f32>(&fs::read(file(name))?));
        let net = net(&fs::read_to_string(file("net"))?)?;
        let labels = bytemuck::pod_collect_to_vec(&fs::read(file("labels"))?);
        let all = floats("first")?;
        let mut rest = &all[..];
        let mut take = |len| {
            let (part, after) = rest.split_at(len);
            rest = after;
            part.to_vec()
        };
        let first = net.widths.windows(2).map(|pair| (take(pair[0] * pair[1]), take(pair[1]))).collect();
        Ok(Exchange { x: floats("x")?, labels, first, net })
    }

    pub(crate) fn batches(&self) -> impl Iterator<Item = (&[f32], &[u32])> {
        let Net { batch, .. } = self.net;
        self.x.chunks_exact(batch * self.net.inputs()).zip(self.labels.chunks_exact(batch))
    }
}

fn net(text: &str) -> Result<Net> {
    let words: Vec<&str> = text.split(' ').collect();
    let [pass, epochs, batch, rate, widths @ ..] = &words[..] else { return Err("the net is cut off".into()) };
    let widths = widths.iter().map(|width| width.parse()).collect::<std::result::Result<Vec<usize>, _>>()?;
    if widths.len() < 2 {
        return Err("the net has no layer".into());
    }
    let predict = *pass == "predict";
    Ok(Net { predict, epochs: epochs.parse()?, batch: batch.parse()?, rate: rate.parse()?, widths })
}

pub(crate) fn write(directory: &str, result: &[f32]) -> Result<()> {
    Ok(fs::write(Path::new(directory).join("result"), bytemuck::cast_slice::<f32, u8>(result))?)
}

/// The version of a library, from the file that fixes it.
pub(crate) fn version(name: &str) -> Option<&'static str> {
    const LOCK: &str = include_str!("../Cargo.lock");
    let (_, rest) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}
