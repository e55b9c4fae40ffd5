//! The caller's side: starting a worker, hearing from it, and ending it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use super::failure::{Message, Request, WorkshopError};
use super::job::{Event, Harvested, Job, Outcome};
use crate::ids::IdMap;

/// A job that runs. An iterator of what happens; [`Running::finish`] waits for the end. Dropped before, it is killed,
/// and what it had written is left for [`remove_tree`].
#[derive(Debug)]
pub struct Running {
    worker: Child,
    lines: BufReader<ChildStdout>,
    stderr: ChildStderr,
    reports: Vec<super::StepReport>,
    harvest: Vec<Harvested>,
    end: Option<IdMap>,
    reaped: bool,
}

impl Job {
    /// Starts the job in a worker process. `worker` must be a command that calls [`super::worker_main`] and nothing
    /// else; its standard streams are taken over here.
    pub fn spawn(&self, worker: Command) -> Result<Running, WorkshopError> {
        Running::start(worker, &Request::Job(self.clone()))
    }

    /// Runs the job to its end and tells `on_event` what happens.
    pub fn run(&self, worker: Command, on_event: &mut dyn FnMut(Event)) -> Result<Outcome, WorkshopError> {
        let mut running = self.spawn(worker)?;
        while let Some(event) = running.next_event()? {
            on_event(event);
        }
        running.finish().map(|(outcome, _)| outcome)
    }
}

/// Removes a directory and everything below it which a job that was killed may have left with owners that the caller
/// cannot touch. A path that is not there is fine.
pub fn remove_tree(path: &Path, ids: IdMap, worker: Command) -> Result<(), WorkshopError> {
    Running::start(worker, &Request::Remove { path: path.to_owned(), ids })?.finish().map(|_| ())
}

impl Running {
    fn start(mut command: Command, request: &Request) -> Result<Self, WorkshopError> {
        let spawn = |source| WorkshopError::Spawn { source };
        let bytes = serde_json::to_vec(request).map_err(|e| spawn(e.into()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut worker = command.spawn().map_err(spawn)?;
        let (stdin, stdout, stderr) = (worker.stdin.take(), worker.stdout.take(), worker.stderr.take());
        let missing = || spawn(io::ErrorKind::BrokenPipe.into());
        let mut stdin = stdin.ok_or_else(missing)?;
        let lines = BufReader::with_capacity(64 << 10, stdout.ok_or_else(missing)?);
        let stderr = stderr.ok_or_else(missing)?;
        let mut running =
            Self { worker, lines, stderr, reports: Vec::new(), harvest: Vec::new(), end: None, reaped: false };
        // A worker that died before it read everything is told of by what it said, not by the broken pipe.
        if stdin.write_all(&bytes).is_err() {
            drop(stdin);
            return Err(running.died());
        }
        Ok(running)
    }

    /// Waits for the next thing to happen; `None` when the job has ended.
    ///
    /// # Errors
    /// The job could not be carried out.
    pub fn next_event(&mut self) -> Result<Option<Event>, WorkshopError> {
        let mut line = Vec::new();
        while self.end.is_none() {
            line.clear();
            let n = self.lines.read_until(b'\n', &mut line).map_err(|source| WorkshopError::Spawn { source })?;
            let message = if n == 0 { None } else { serde_json::from_slice(&line).ok() };
            match message {
                Some(Message::Event(event)) => {
                    if let Event::Finished { report, .. } = &event {
                        self.reports.push(report.clone());
                    }
                    return Ok(Some(event));
                }
                Some(Message::Harvested(entry)) => self.harvest.push(entry),
                Some(Message::Done { ids }) => self.end = Some(ids),
                Some(Message::Failed(failure)) => return Err(failure.into()),
                None => return Err(self.died()),
            }
        }
        Ok(None)
    }

    /// Waits for the end of the job. Also tells which id map was used in the end: [`IdMap::Single`] where the helpers
    /// refused the one asked for.
    pub fn finish(mut self) -> Result<(Outcome, IdMap), WorkshopError> {
        while self.next_event()?.is_some() {}
        let ids = self.end.unwrap_or(IdMap::Single);
        let _ = self.worker.wait();
        self.reaped = true;
        let steps = std::mem::take(&mut self.reports);
        Ok((Outcome { steps, harvest: std::mem::take(&mut self.harvest) }, ids))
    }

    /// The error for a worker that stopped speaking.
    fn died(&mut self) -> WorkshopError {
        let _ = self.worker.kill();
        let status = match self.worker.wait() {
            Ok(status) => status,
            Err(source) => return WorkshopError::Spawn { source },
        };
        self.reaped = true;
        let mut said = VecDeque::new();
        let mut buffer = [0u8; 4096];
        while let Ok(n @ 1..) = self.stderr.read(&mut buffer) {
            said.extend(&buffer[..n]);
            said.drain(..said.len().saturating_sub(1024));
        }
        let said: Vec<u8> = said.into();
        let said = String::from_utf8_lossy(&said);
        let said = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
        WorkshopError::Died { status, said }
    }
}

impl Iterator for Running {
    type Item = Result<Event, WorkshopError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reaped { None } else { self.next_event().transpose() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.worker.kill();
            let _ = self.worker.wait();
            // The others die of the worker's death; their end of the pipe closes when they are gone.
            let _ = io::copy(&mut self.lines, &mut io::sink());
        }
    }
}
