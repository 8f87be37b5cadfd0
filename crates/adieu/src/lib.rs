//! User-space TCP for tokio whose connections *end* right.
//!
//! A [`Net`] is a TCP stack in this process, on a device: a TUN interface of the host, or memory. Listeners and streams
//! have tokio's and std's names and meanings, and three calls more that say how a connection ends:
//! * [`TcpStream::finish`]: every byte, and our FIN, is at the peer's TCP;
//! * [`TcpStream::close`]: both directions are complete, or why not;
//! * [`TcpStream::ended`]: the [`Receipt`].
//!
//! ```
//! use adieu::{Net, TcpListener, TcpStream, device};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (left, right) = device::memory_pair(1500);
//! let server = Net::builder(right).address([10, 0, 0, 2].into()).start()?;
//! let client = Net::builder(left).address([10, 0, 0, 1].into()).start()?;
//!
//! let listener = TcpListener::bind(&server, "10.0.0.2:80".parse()?)?;
//! let serve = tokio::spawn(async move {
//!     let (mut stream, _) = listener.accept().await?;
//!     let mut request = String::new();
//!     stream.read_to_string(&mut request).await?; // until the client's FIN
//!     stream.write_all(request.to_uppercase().as_bytes()).await?;
//!     stream.close().await.map_err(std::io::Error::from)
//! });
//!
//! let mut stream = TcpStream::connect(&client, "10.0.0.2:80".parse()?).await?;
//! stream.write_all(b"goodbye").await?;
//! stream.finish().await?; // half-close: all of it is at the server's TCP
//! let mut reply = String::new();
//! stream.read_to_string(&mut reply).await?;
//! assert_eq!(reply, "GOODBYE");
//! let receipt = stream.close().await?;
//! assert_eq!(receipt.ending.name(), "graceful-local-first");
//! serve.await??;
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

pub mod device;
mod driver;
mod error;
mod listener;
mod net;
mod sink;
mod stream;
mod suspended;
mod tap;
mod tasks;

pub use adieu_core::{
    Algorithm, CarryError, Cause, Closer, Config, DrainBudget, Duration, Ending, Endings, Flow, FlowState, Info,
    Instant, Keepalive, Leftover, Limit, Order, Phase, PortUsage, Receipt, RecoveryState, RecvSide, Released, SendSide,
    Settings, Spent, State, Stats, Unwanted, Warning,
};
pub use error::{AtExpiry, CloseError, LingerError};
pub use listener::TcpListener;
pub use net::{Builder, Net};
pub use stream::TcpStream;
pub use suspended::{ResumeError, Suspended};
pub use tap::{Direction, Tapped};
