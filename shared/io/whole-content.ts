/** The chunks, and an error when they are fewer octets than they should be: half a message must not get its final dot. */
export async function* exactly(chunks: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let seen = 0;
  for await (const chunk of chunks) {
    seen += chunk.length;
    yield chunk;
  }
  if (seen < size) throw new Error(`content ends after ${seen} of ${size} octets`);
}
