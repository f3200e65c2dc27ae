// Package transport carries messages over a stream connection: Direct TCP
// framing (MS-SMB2 2.1), pooled buffers, batched reading and the outgoing
// queue.
package transport
