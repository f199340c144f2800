//! What relay and the process that runs its scripts say to each other.
//!
//! A frame is a JSON document and the bytes of a body, each behind its length in four bytes.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{ScriptLimits, Shape};
use crate::domain::transform::{ConsoleLine, Context, Failure, Outgoing};

/// Bytes of either part at most; whoever sends more than that has lost its mind.
const PART_MAX: usize = 64 << 20;

/// Something to do with a script; the body of `outgoing` goes beside it.
#[derive(Debug, Serialize)]
pub struct Asked<'a> {
    /// The script.
    pub code: &'a str,
    /// What it may use.
    pub limits: ScriptLimits,
    /// What to call its handler with; without it the script is only looked at.
    pub call: Option<(&'a Outgoing, &'a Context)>,
}

/// The same where it is read.
#[derive(Debug, Deserialize)]
pub struct Job {
    /// The script.
    pub code: String,
    /// What it may use.
    pub limits: ScriptLimits,
    /// What to call its handler with.
    pub call: Option<(Outgoing, Context)>,
}

/// What came of it; the body of what is sent goes beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    /// What to send, or why there is nothing.
    pub result: Result<Found, Failure>,
    /// What the script wrote.
    pub console: Vec<ConsoleLine>,
    /// How many more lines there were.
    pub console_left_out: u64,
}

/// What a script gave, or has.
#[derive(Debug, Serialize, Deserialize)]
pub enum Found {
    /// What to send.
    Sent(Outgoing),
    /// Nothing is to be sent.
    Dropped,
    /// The handler that it has.
    Handler(Shape),
}

impl Found {
    /// Where the body is, which frames carry beside the rest.
    fn body(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Found::Sent(outgoing) => Some(&mut outgoing.body),
            Found::Dropped | Found::Handler(_) => None,
        }
    }
}

/// Sends a job.
pub fn write_job(to: &mut impl Write, asked: &Asked<'_>) -> io::Result<()> {
    let body = asked.call.map_or(&[][..], |(outgoing, _)| &outgoing.body);
    write_frame(to, asked, body)
}

/// Reads a job.
pub fn read_job(from: &mut impl Read) -> io::Result<Job> {
    let (mut job, body): (Job, Vec<u8>) = read_frame(from)?;
    if let Some((outgoing, _)) = &mut job.call {
        outgoing.body = body;
    }
    Ok(job)
}

/// Sends a reply.
pub fn write_reply(to: &mut impl Write, reply: &mut Reply) -> io::Result<()> {
    let body = reply.result.as_mut().ok().and_then(Found::body).map(std::mem::take);
    write_frame(to, reply, &body.unwrap_or_default())
}

/// Reads a reply.
pub fn read_reply(from: &mut impl Read) -> io::Result<Reply> {
    let (mut reply, body): (Reply, Vec<u8>) = read_frame(from)?;
    if let Some(place) = reply.result.as_mut().ok().and_then(Found::body) {
        *place = body;
    }
    Ok(reply)
}

fn write_frame(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let mut frame = Vec::with_capacity(8 + head.len() + body.len());
    for part in [head.as_slice(), body] {
        let length = u32::try_from(part.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(part);
    }
    to.write_all(&frame)?;
    to.flush()
}

fn read_frame<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let head = read_part(from)?;
    let body = read_part(from)?;
    Ok((serde_json::from_slice(&head)?, body))
}

fn read_part(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > PART_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut part = vec![0; length];
    from.read_exact(&mut part)?;
    Ok(part)
}
