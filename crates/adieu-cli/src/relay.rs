//! Bytes between a connection and standard input and output, until the connection has ended.
//!
//! `tokio::io::copy_bidirectional` would not do: it turns a reset of one direction into the end of both.

use std::io;
use std::pin::pin;

use adieu::{Receipt, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::failure::notice;
use crate::signals::Signals;

const CHUNK: usize = 64 * 1024;

/// How far a relay has come.
pub(crate) struct Relayed {
    /// `None` where our direction is to be closed, and whatever else comes is not wanted.
    pub(crate) receipt: Option<Receipt>,
    /// A signal asked for it.
    pub(crate) interrupted: bool,
}

/// Carries bytes both ways until the connection has ended and all that came is written.
///
/// Our direction is closed at the end of standard input, or at the first signal. A second signal resets the connection,
/// and so does standard output that nobody reads any more, and standard input that cannot be read: a FIN would say that
/// this was all. With `drains`, the relay is over where our direction would be closed.
pub(crate) async fn relay(stream: &TcpStream, signals: &mut Signals, drains: bool) -> Relayed {
    let stop = Notify::new();
    let mut input = pin!(send_input(stream, &stop, !drains));
    let mut output = pin!(write_output(stream));
    let mut end = pin!(stream.ended());
    let (mut sending, mut writing, mut ended, mut interrupted) = (true, true, false, false);
    while !ended || writing {
        tokio::select! {
            sent = &mut input, if sending => {
                sending = false;
                match sent {
                    Ok(()) if drains && !ended => return Relayed { receipt: None, interrupted },
                    Ok(()) => {}
                    Err(error) => {
                        notice(format_args!("adieu: cannot read standard input ({error}); resetting the connection"));
                        stream.abort();
                    }
                }
            }
            written = &mut output, if writing => {
                writing = false;
                if let Err(error) = written {
                    notice(format_args!("adieu: {error}; resetting the connection"));
                    stream.abort();
                }
            }
            _ = &mut end, if !ended => ended = true,
            signal = signals.next() => {
                if !interrupted {
                    notice(format_args!("adieu: {signal}: closing our direction; again to reset the connection"));
                    stop.notify_one();
                } else {
                    notice(format_args!("adieu: {signal}: resetting the connection"));
                    stream.abort();
                    writing = false;
                }
                interrupted = true;
            }
        }
    }
    Relayed { receipt: Some(stream.ended().await), interrupted }
}

/// Standard input to the peer, then our FIN if it is to be `closed`. Fails where standard input cannot be read; how
/// writing to the peer failed stands in the receipt.
async fn send_input(mut stream: &TcpStream, stop: &Notify, closed: bool) -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = tokio::select! {
            biased;
            () = stop.notified() => 0,
            n = input.read(&mut buffer) => n?,
        };
        if n == 0 {
            if closed {
                // An error says that the connection has ended.
                let _ = stream.shutdown().await;
            }
            return Ok(());
        }
        if stream.write_all(&buffer[..n]).await.is_err() {
            return Ok(());
        }
    }
}

/// What the peer sends to standard output, until its FIN or the ending. Fails where standard output does.
async fn write_output(mut stream: &TcpStream) -> io::Result<()> {
    let mut output = tokio::io::stdout();
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()), // The receipt says which.
            Ok(n) => n,
        };
        let written = async {
            output.write_all(&buffer[..n]).await?;
            output.flush().await
        };
        written.await.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), "standard output is closed"),
            _ => io::Error::new(error.kind(), format!("cannot write to standard output ({error})")),
        })?;
    }
}
