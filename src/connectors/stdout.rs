//! Stdout: events into a pipe.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::Instant;

use futures_util::future::BoxFuture;

use super::blocking::blocking;
use super::file::{Output, failed};
use super::{ConnectContext, ConnectorError, Encoded, Sink, SinkKind, SinkOpen, SinkPlan};
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

struct Stdout;

fn plan(_spec: &SinkSpec, _context: &mut ConnectContext<'_>) -> Option<Box<dyn SinkPlan>> {
    Some(Box::new(Stdout))
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

    fn open(&self, _open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        Box::pin(async {
            let file = io::stdout().as_fd().try_clone_to_owned().map_err(|why| failed("write", NAME.as_ref(), &why))?;
            Ok(Box::new(LineSink::new(File::from(file))) as Box<dyn Sink>)
        })
    }
}

/// Writes lines to an open pipe, terminal or file.
struct LineSink {
    output: Output,
    has_head: bool,
    is_closed: bool,
}

impl LineSink {
    fn new(file: File) -> LineSink {
        LineSink { output: Output::stream(file, NAME), has_head: false, is_closed: false }
    }

    fn write_out(&mut self) -> Result<(), ConnectorError> {
        if self.is_closed || self.output.held() == 0 {
            return Ok(());
        }
        match blocking(|| self.output.try_write_out()) {
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                self.output.forget();
                Ok(())
            }
            result => result.map_err(|why| failed("write", NAME.as_ref(), &why)),
        }
    }

    fn take(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        let now = Instant::now();
        if !self.has_head {
            self.output.take(&events.head, now);
            self.has_head = true;
        }
        while *done < events.len() {
            if self.output.held() >= FILE_BUFFER_BYTES_MAX {
                self.write_out()?;
            }
            if self.is_closed {
                *done = events.len();
                break;
            }
            let fits = events.fitting(*done, events.len(), FILE_BUFFER_BYTES_MAX - self.output.held()).max(1);
            self.output.take(events.events(*done, *done + fits), now);
            *done += fits;
        }
        Ok(())
    }
}

impl Sink for LineSink {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move { self.take(events, done) })
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move { self.write_out() })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        self.flush()
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
        (reader, LineSink::new(File::from(std::os::fd::OwnedFd::from(writer))))
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
