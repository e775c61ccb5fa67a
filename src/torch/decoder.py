# The Qwen decoder block as TorchScript, for Qwen2.5 (biases on q, k, v) and Qwen3 (norms on q and k).
#
# These are the methods of one class; decoder.cpp makes an instance of it for each block and hands it that block's weights:
#   input_norm, post_norm [H]   qkv [(Hq + 2 Hkv) D, H]   qkv_bias [(Hq + 2 Hkv) D] or None   q_norm, k_norm [D] or None
#   o [H, Hq D]   gate_up [2 I, H]   down [H, I]
# H hidden size, Hq and Hkv query and key heads, D head size, I feed-forward size, T new tokens of all rows of the batch.
# Plain aten operators, on any device: what the fused path is held against. Numbers of dtypes: 6 is float32.


def norm(self, x: Tensor, weight: Tensor) -> Tensor:
    wide = x.to(6)
    wide = wide * torch.rsqrt(wide.pow(2).mean([-1], True) + self.norm_eps)
    return weight * wide.to(x.dtype)


def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # x [T, heads, D], cos and sin [T, 1, D]
    half = self.head_dim // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos + turned * sin


def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:  # q [Hq, t, D]; k, v [Hkv, n, D]: the t newest of n positions
    t, n = q.size(1), k.size(1)
    if self.fused_attention and t > 1:  # for one token its threads cost more than they bring
        mask: Optional[Tensor] = None
        if t < n:
            mask = torch.ones([t, n], dtype=11, device=q.device).tril(n - t)
        return torch.scaled_dot_product_attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), mask, 0.0, t == n,
                                                  scale=None, enable_gqa=True).squeeze(0)
    q = q.reshape(self.kv_head_count, -1, self.head_dim)                    # [Hkv, G t, D]
    scores = torch.matmul(q, k.transpose(1, 2)) * self.head_dim ** -0.5     # [Hkv, G t, n]
    if t > 1:
        late = torch.ones([t, n], dtype=11, device=q.device).triu(n - t + 1)
        scores = scores.view(self.kv_head_count, -1, t, n).masked_fill(late, float("-inf")).view(self.kv_head_count, -1, n)
    weights = torch.softmax(scores, -1, 6).to(q.dtype)
    return torch.matmul(weights, v).view(self.head_count, t, self.head_dim)


def attention(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Tensor, block_of: Tensor, offset_of: Tensor,
              row_blocks: List[Tensor], row_begin: List[int], kv_len: List[int]) -> Tensor:
    # x [T, H]; cache [blocks, 2, Hkv, 64, D], this block's part of the pool
    q_size, kv_size = self.head_count * self.head_dim, self.kv_head_count * self.head_dim
    parts = torch.linear(x, self.qkv, self.qkv_bias).split_with_sizes([q_size, kv_size, kv_size], -1)
    q = parts[0].view(-1, self.head_count, self.head_dim)                   # [T, Hq, D]
    k = parts[1].view(-1, self.kv_head_count, self.head_dim)                # [T, Hkv, D]
    v = parts[2].view(-1, self.kv_head_count, self.head_dim)
    q_norm, k_norm = self.q_norm, self.k_norm
    if q_norm is not None and k_norm is not None:
        q = self.norm(q, q_norm)
        k = self.norm(k, k_norm)
    q = self.rotate(q, cos, sin)
    k = self.rotate(k, cos, sin)

    keys, values = cache.select(1, 0), cache.select(1, 1)                   # [blocks, Hkv, 64, D]
    keys.transpose(1, 2)[block_of, offset_of] = k
    values.transpose(1, 2)[block_of, offset_of] = v

    out: List[Tensor] = []
    for r in range(len(kv_len)):                                            # each row reads its own blocks
        # [Hkv, n, D]; on the CPU index_select would copy the whole pool first, because this part of it is not contiguous
        kept_k = keys.transpose(0, 1)[:, row_blocks[r]].reshape(self.kv_head_count, -1, self.head_dim)
        kept_v = values.transpose(0, 1)[:, row_blocks[r]].reshape(self.kv_head_count, -1, self.head_dim)
        mine = q[row_begin[r]:row_begin[r + 1]].transpose(0, 1)             # [Hq, t, D]
        seen = self.attend(mine, kept_k[:, :kv_len[r]], kept_v[:, :kv_len[r]])
        out.append(seen.transpose(0, 1).reshape(-1, q_size))                # [t, Hq D]
    return torch.linear(torch.cat(out, 0), self.o)                          # [T, H]


def feed_forward(self, x: Tensor) -> Tensor:
    both = torch.linear(x, self.gate_up).chunk(2, -1)                       # gate and up, [T, I] each
    return torch.linear(torch.silu(both[0]) * both[1], self.down)           # [T, H]


def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Tensor, block_of: Tensor, offset_of: Tensor,
            row_blocks: List[Tensor], row_begin: List[int], kv_len: List[int]) -> Tensor:
    x = x + self.attention(self.norm(x, self.input_norm), cos, sin, cache, block_of, offset_of, row_blocks, row_begin, kv_len)
    return x + self.feed_forward(self.norm(x, self.post_norm))
