//! Alignment in whole graphs: random graphs, edges of one message, and every step taken in a random order. What is shown: nothing
//! deadlocks, a barrier cuts the stream of every node at the same events, and event time never goes back.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Barrier, Inputs, Saves, Step, Then, Watermark};
use crate::event::Timestamp;

/// What flows in the model: an event is the number of its source and its place there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Event(usize, u64),
    Mark(Watermark),
    Barrier(Barrier),
    End,
}

/// Messages that an edge holds.
const EDGE_MAX: usize = 1;

#[derive(Debug)]
struct Node {
    inputs: Inputs,
    /// Edges into it and out of it, by their places in the graph.
    from: Vec<usize>,
    to: Vec<usize>,
    /// What waits to be sent: to all edges, the first to this many already.
    sending: VecDeque<(Item, usize)>,
    /// For each source, how many of its events came.
    seen: Vec<u64>,
    /// What it had seen at each barrier.
    cuts: Vec<(u64, Vec<u64>)>,
    mark: Timestamp,
    ended: bool,
}

#[derive(Debug)]
struct Graph {
    /// The first are sources.
    nodes: Vec<Node>,
    edges: Vec<VecDeque<Item>>,
    scripts: Vec<VecDeque<Item>>,
}

impl Graph {
    /// `reads[i]`: which of the nodes before it a node reads, after the sources.
    fn new(scripts: Vec<Vec<Item>>, reads: &[Vec<usize>]) -> Graph {
        let sources = scripts.len();
        let node = |inputs: usize| Node {
            inputs: Inputs::new(inputs),
            from: Vec::new(),
            to: Vec::new(),
            sending: VecDeque::new(),
            seen: vec![0; sources],
            cuts: Vec::new(),
            mark: Timestamp::NONE,
            ended: false,
        };
        let mut nodes: Vec<Node> = (0..sources).map(|_| node(0)).collect();
        let mut edges = Vec::new();
        for reads in reads {
            let mut reader = node(reads.len());
            for &before in reads {
                let before = before % nodes.len();
                reader.from.push(edges.len());
                nodes[before].to.push(edges.len());
                edges.push(VecDeque::new());
            }
            nodes.push(reader);
        }
        Graph { nodes, edges, scripts: scripts.into_iter().map(VecDeque::from).collect() }
    }

    /// Does one thing at a node: sends something that waits, or takes something. False: there is nothing to do.
    fn step(&mut self, at: usize, pick: usize) -> bool {
        let node = &mut self.nodes[at];
        if let Some((item, sent)) = node.sending.front_mut() {
            let Some(&edge) = node.to.get(*sent) else {
                node.sending.pop_front();
                return true;
            };
            if self.edges[edge].len() >= EDGE_MAX {
                return false;
            }
            self.edges[edge].push_back(*item);
            *sent += 1;
            return true;
        }
        if let Some(script) = self.scripts.get_mut(at) {
            let Some(item) = script.pop_front() else { return false };
            if let Item::Barrier(barrier) = item {
                node.cuts.push((barrier.id, node.seen.clone()));
            }
            if let Item::Event(source, place) = item {
                node.seen[source] = place;
            }
            node.ended |= item == Item::End;
            node.sending.push_back((item, 0));
            return true;
        }
        let n = node.from.len();
        let Some(input) = (0..n)
            .map(|i| (i + pick) % n)
            .find(|input| node.inputs.is_open(*input) && !self.edges[node.from[*input]].is_empty())
        else {
            return false;
        };
        let Some(item) = self.edges[node.from[input]].pop_front() else { return false };
        node.take(input, item);
        true
    }
}

impl Node {
    fn take(&mut self, input: usize, item: Item) {
        let steps = match item {
            Item::Event(source, place) => {
                self.inputs.on_batch(input);
                self.seen[source] = self.seen[source].max(place);
                self.sending.push_back((item, 0));
                Vec::new()
            }
            Item::Mark(mark) => self.inputs.on_watermark(input, mark).into_iter().collect(),
            Item::Barrier(barrier) => self.inputs.on_barrier(input, barrier).into_iter().collect(),
            Item::End => self.inputs.on_end(input),
        };
        for step in steps {
            let item = match step {
                Step::Advance { mark, forward } => {
                    assert!(mark >= self.mark, "time goes back");
                    self.mark = mark;
                    Item::Mark(forward)
                }
                Step::Barrier(barrier) => {
                    self.cuts.push((barrier.id, self.seen.clone()));
                    Item::Barrier(barrier)
                }
                Step::End => {
                    self.ended = true;
                    Item::End
                }
            };
            self.sending.push_back((item, 0));
        }
    }
}

/// What a source does: events and marks between the barriers, which are the same for all; some end early.
fn script(source: usize, lengths: &[u8], ends_after: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut place = 0;
    for (id, &events) in lengths.iter().enumerate() {
        for _ in 0..events {
            place += 1;
            items.push(Item::Event(source, place));
            let mark =
                if place % 3 == 0 { Watermark::Idle(place as i64) } else { Watermark::At(Timestamp(place as i64)) };
            items.push(Item::Mark(mark));
        }
        if id == ends_after {
            break;
        }
        items.push(Item::Barrier(Barrier { id: id as u64 + 1, then: Then::Continue, saves: Saves::Changes }));
    }
    items.push(Item::End);
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn barriers_cut_every_node_at_the_same_events_and_nothing_deadlocks(
        lengths in proptest::collection::vec(proptest::collection::vec(0_u8..4, 4), 1..4),
        ends in proptest::collection::vec(0_usize..6, 4),
        reads in proptest::collection::vec(proptest::collection::vec(0_usize..16, 1..4), 1..8),
        order in proptest::collection::vec((0_usize..16, 0_usize..4), 64..512),
    ) {
        let scripts: Vec<Vec<Item>> =
            lengths.iter().enumerate().map(|(source, lengths)| script(source, lengths, ends[source])).collect();
        // How many events each source gives before each barrier; one that has ended has given all.
        let before = |source: usize, id: u64| -> u64 {
            let until = scripts[source].iter().position(|item| matches!(item, Item::Barrier(barrier) if barrier.id == id));
            let until = until.unwrap_or(scripts[source].len());
            scripts[source][..until].iter().filter(|item| matches!(item, Item::Event(..))).count() as u64
        };
        let mut graph = Graph::new(scripts.clone(), &reads);
        for &(at, pick) in order.iter().cycle() {
            let n = graph.nodes.len();
            let moved = (0..n).any(|i| graph.step((at + i) % n, pick));
            if !moved {
                break;
            }
        }
        for (place, node) in graph.nodes.iter().enumerate() {
            prop_assert!(node.ended, "node {place} has not ended: a deadlock");
            let mut last = 0;
            for (id, seen) in &node.cuts {
                prop_assert!(*id > last, "barriers come in order, each once");
                last = *id;
                for (source, seen) in seen.iter().enumerate() {
                    // Of a source that a node does not read it has seen nothing.
                    let reaches = node.seen[source] > 0;
                    prop_assert!(!reaches || *seen == before(source, *id), "node {place}, barrier {id}, source {source}");
                }
            }
        }
    }
}
