//! Stdout: events into a pipe.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::task::{JoinError, JoinHandle};

use super::file::{Output, failed};
use super::{ConnectContext, ConnectorError, Encoded, Frames, Sink, SinkKind, SinkOpen, SinkPlan};
use crate::event::avro::container::FileHead;
use crate::limits::FILE_BUFFER_BYTES_MAX;
use crate::spec::{SinkSpec, Table};

pub static TABLE: Table = Table::new(
    "stdout",
    "Writes lines to standard output; logs go to standard error. A reader that closes the pipe ends the run quietly.",
    &[],
)
.example("result: { from: scored, stdout: {} }\n");

pub const KIND: SinkKind = SinkKind { table: &TABLE, plan };

const NAME: &str = "standard output";

/// The head of the container that this process has begun: whatever sink comes later, it goes on in that.
static BEGUN: Mutex<Option<FileHead>> = Mutex::new(None);

struct Stdout;

fn plan(_spec: &SinkSpec, _context: &mut ConnectContext<'_>) -> Option<Box<dyn SinkPlan>> {
    Some(Box::new(Stdout))
}

/// Where the output is.
enum State {
    Here(Output),
    /// With a thread that writes.
    Writing(JoinHandle<(Output, io::Result<()>)>),
    /// It has panicked there.
    Gone,
}

impl SinkPlan for Stdout {
    fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn writes_lines(&self) -> bool {
        true
    }

    fn exclusive(&self) -> Option<String> {
        Some(NAME.to_string())
    }

    fn outline(&self) -> String {
        "lines to standard output".to_string()
    }

    fn open(&self, open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        Box::pin(async move {
            let file = io::stdout().as_fd().try_clone_to_owned().map_err(|why| failed("write", NAME.as_ref(), &why))?;
            let mut sink = LineSink::new(File::from(file), &open.frames);
            let begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let (Some(head), State::Here(output)) = (begun, &mut sink.state) {
                output.follow(head).map_err(|why| {
                    ConnectorError::fatal(format!(
                        "cannot add to {NAME}: {why}; write to a file, or start the runner anew"
                    ))
                })?;
            }
            Ok(Box::new(sink) as Box<dyn Sink>)
        })
    }
}

/// Writes lines to an open pipe, terminal or file. A reader may take its time, so a write is away from the task, which can leave it.
struct LineSink {
    state: State,
    has_head: bool,
    is_closed: bool,
}

impl LineSink {
    fn new(file: File, frames: &Frames) -> LineSink {
        LineSink { state: State::Here(Output::stream(file, NAME, frames)), has_head: false, is_closed: false }
    }

    /// Writes what is held, and waits for it. Dropped before it is done, it goes on with the same write when it is called again.
    async fn write_out(&mut self) -> Result<(), ConnectorError> {
        loop {
            match &mut self.state {
                State::Here(output) if output.held() == 0 => return Ok(()),
                State::Here(_) => {
                    let State::Here(mut output) = std::mem::replace(&mut self.state, State::Gone) else { continue };
                    self.state = State::Writing(tokio::task::spawn_blocking(move || {
                        let written = output.try_write_out();
                        (output, written)
                    }));
                }
                State::Writing(writing) => {
                    let written = writing.await;
                    self.state = State::Gone;
                    self.took(written)?;
                }
                State::Gone => {
                    return Err(ConnectorError::fatal("a write to standard output has panicked, which is a bug"));
                }
            }
        }
    }

    /// A write has come back.
    fn took(&mut self, written: Result<(Output, io::Result<()>), JoinError>) -> Result<(), ConnectorError> {
        let Ok((mut output, result)) = written else { return Ok(()) };
        let result = match result {
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                output.forget();
                Ok(())
            }
            result => result.map_err(|why| failed("write", NAME.as_ref(), &why)),
        };
        if let (Ok(()), Some(head)) = (&result, output.begun()) {
            BEGUN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| head.clone());
        }
        self.state = State::Here(output);
        result
    }

    async fn take(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        let now = Instant::now();
        while *done < events.len() {
            if self.is_closed {
                *done = events.len();
                break;
            }
            let output = match &mut self.state {
                State::Here(output) if output.held() < FILE_BUFFER_BYTES_MAX => output,
                _ => {
                    self.write_out().await?;
                    continue;
                }
            };
            if !self.has_head {
                output.take(&events.head, now);
                self.has_head = true;
            }
            let room = FILE_BUFFER_BYTES_MAX.saturating_sub(output.held());
            let fits = events.fitting(*done, events.len(), room).max(1);
            output.take_events(events, *done, *done + fits, now);
            *done += fits;
        }
        Ok(())
    }
}

impl Sink for LineSink {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(self.take(events, done))
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            if !self.is_closed {
                self.write_out().await?;
            }
            Ok(())
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            self.flush().await?;
            match &mut self.state {
                State::Here(output) if !self.is_closed => {
                    output.fill().map_err(|why| failed("compress for", NAME.as_ref(), &why))?;
                    self.write_out().await
                }
                _ => Ok(()),
            }
        })
    }

    fn is_closed(&self) -> bool {
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn lines(count: usize) -> Encoded {
        let mut events = Encoded { head: b"n\n".to_vec(), ..Encoded::default() };
        for i in 0..count {
            events.bytes.extend_from_slice(format!("{i}\n").as_bytes());
            events.ends.push(events.bytes.len() as u32);
        }
        events
    }

    fn pipe() -> (io::PipeReader, LineSink) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, LineSink::new(File::from(std::os::fd::OwnedFd::from(writer)), &Frames::Lines))
    }

    #[tokio::test]
    async fn the_head_comes_once_and_lines_in_order() {
        let (mut reader, mut sink) = pipe();
        for _ in 0..2 {
            sink.write(&lines(2), &mut 0).await.unwrap();
        }
        sink.close().await.unwrap();
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "n\n0\n1\n0\n1\n");
    }

    #[tokio::test]
    async fn a_closed_pipe_is_the_quiet_end() {
        let (reader, mut sink) = pipe();
        drop(reader);
        let mut done = 0;
        sink.write(&lines(3), &mut done).await.unwrap();
        sink.flush().await.unwrap();
        assert!(sink.is_closed());
        done = 0;
        sink.write(&lines(3), &mut done).await.unwrap();
        assert_eq!(done, 3);
        sink.close().await.unwrap();
    }
}
