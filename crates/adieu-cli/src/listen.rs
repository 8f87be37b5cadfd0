//! `adieu listen`: one connection, between standard input and output and a real peer.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use adieu::device::tun_for;
use adieu::{Net, Receipt, TcpListener, TcpStream};
use adieu_trace::receipt_block;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::args::Listen;
use crate::failure::{Failure, NOT_GRACEFUL};
use crate::output;

/// 3.5 times the smallest retransmission time of common stacks: long enough for a FIN to come again.
const REPEATED_FIN: Duration = Duration::from_millis(700);

pub(crate) fn run(listen: &Listen) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(listen));
    // A read of standard input may still be under way; it shall not hold us up.
    runtime.shutdown_background();
    let graceful = ended?.ending.is_graceful();
    Ok(if graceful { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

async fn serve(listen: &Listen) -> Result<Receipt, Failure> {
    let (tun, kernel) = tun_for(listen.local, listen.tun.as_deref())?;
    let name = tun.name().to_owned();
    let net = Net::builder(tun).address((*listen.local.ip()).into()).start()?;
    let listener = TcpListener::bind(&net, listen.local.into())?;
    anstream::eprintln!("listening at {} on {name}; this host is {kernel} there", listen.local);
    let (stream, peer) = listener.accept().await?;
    drop(listener);
    anstream::eprintln!("connected with {peer}");
    let receipt = relay(&stream).await;
    let state = stream.state();
    drop(stream);
    net.flushed().await;
    let title = format!("{} <-> {peer}", listen.local);
    anstream::eprint!("{}", receipt_block(&title, &receipt, output::width(), output::style()));
    if state == adieu::State::TimeWait {
        let stay = if listen.wait { net.config().time_wait(Duration::ZERO) } else { REPEATED_FIN };
        tokio::time::sleep(stay).await;
        if !listen.wait {
            anstream::eprintln!("TIME-WAIT cut short after {} ms; with --wait it is kept in full", stay.as_millis());
        }
    }
    Ok(receipt)
}

/// Carries bytes both ways until the connection has ended, and says how. Our direction is closed at the end of standard
/// input; where standard output is gone, nobody reads any more, and the connection is reset.
async fn relay(stream: &TcpStream) -> Receipt {
    let to_peer = async {
        let sent = copy(tokio::io::stdin(), stream).await;
        if sent.is_ok() {
            let _ = (&mut &*stream).shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let from_peer = async {
        match copy(stream, tokio::io::stdout()).await {
            // An error of the connection stands in the receipt.
            Ok(()) | Err(Broken::Reading) => std::future::pending().await,
            Err(Broken::Writing) => {}
        }
    };
    tokio::select! {
        receipt = stream.ended() => {
            drain(stream).await;
            stream.receipt().unwrap_or(receipt)
        }
        () = from_peer => {
            anstream::eprintln!("adieu: standard output is closed; resetting the connection");
            stream.abort();
            stream.ended().await
        }
        () = to_peer => unreachable!("it never returns"),
    }
}

/// What came before the ending is still to be written.
async fn drain(stream: &TcpStream) {
    let _ = copy(stream, tokio::io::stdout()).await;
}

/// Which side of a copy failed.
enum Broken {
    Reading,
    Writing,
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> Result<(), Broken> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = from.read(&mut buffer).await.map_err(|_: io::Error| Broken::Reading)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..n]).await.map_err(|_| Broken::Writing)?;
        to.flush().await.map_err(|_| Broken::Writing)?;
    }
}
