"""What Longhand costs and what it holds, measured; `docs/performance.md` has the results and how to read them."""
