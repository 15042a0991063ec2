// Bits: moves, logic, shifts, fields, counts.
#include <algorithm>

#include "ptx/build.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

void move(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = a[l]; });
}
void move_predicate(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = a[l] != 0; });
}

uint64_t lowest(size_t bits) { return bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1; }

// Between one register and several of a part of its width.
void split(Warp& w, const Instruction& i, Lanes lanes) {
  const size_t width = 8 * bytes_of(i.type) / i.d.list.size();
  uint64_t whole[32];
  std::copy_n(w.at(i.a.reg), 32, whole);
  for (size_t part = 0; part < i.d.list.size(); ++part) {
    if (i.d.list[part] < 0) continue;
    uint64_t* d = w.at(i.d.list[part]);
    each(lanes, [&](int l) { d[l] = whole[l] >> (width * part) & lowest(width); });
  }
}
void join(Warp& w, const Instruction& i, Lanes lanes) {
  const size_t width = 8 * bytes_of(i.type) / i.a.list.size();
  uint64_t whole[32] = {};
  for (size_t part = 0; part < i.a.list.size(); ++part) {
    const uint64_t* a = w.at(i.a.list[part]);
    each(lanes, [&](int l) { whole[l] |= (a[l] & lowest(width)) << (width * part); });
  }
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = whole[l]; });
}
void move_any(Warp& w, const Instruction& i, Lanes lanes) {
  if (!i.d.list.empty()) return split(w, i, lanes);
  if (!i.a.list.empty()) return join(w, i, lanes);
  move(w, i, lanes);
}
void build_move(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = i.type == Type::kPredicate                     ? move_predicate
          : i.type == Type::kB32 || i.type == Type::kB64 ? move_any
                                                         : move;
}

struct And {
  uint64_t operator()(uint64_t a, uint64_t b) const { return a & b; }
};
struct Or {
  uint64_t operator()(uint64_t a, uint64_t b) const { return a | b; }
};
struct Xor {
  uint64_t operator()(uint64_t a, uint64_t b) const { return a ^ b; }
};
template <class F>
void bitwise(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = F()(a[l], b[l]); });
}
template <class F>
void build_bitwise(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = bitwise<F>;
}

struct Complement {
  template <class T>
  T operator()(T a) const {
    return T(~a);
  }
};
struct IsZero {
  template <class T>
  T operator()(T a) const {
    return a == 0;
  }
};
struct Reversed {
  template <class T>
  T operator()(T a) const {
    T r = 0;
    for (size_t bit = 0; bit < 8 * sizeof(T); ++bit) r = T(r << 1 | (a >> bit & 1));
    return r;
  }
};
struct Ones {
  template <class T>
  uint32_t operator()(T a) const {
    return uint32_t(std::popcount(a));
  }
};
struct LeadingZeros {
  template <class T>
  uint32_t operator()(T a) const {
    return uint32_t(std::countl_zero(a));
  }
};
template <class T, class F>
void of_bits(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = F()(T(a[l])); });
}
void negate_predicate(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = a[l] == 0; });
}
template <class F>
void build_of_bits(Words& words, Instruction& i) {
  i.type = words.take_type();
  if (i.type == Type::kPredicate) {
    i.run = negate_predicate;
    return;
  }
  i.run = with_integer(i.type,
                       [](auto t) -> Run { return of_bits<std::make_unsigned_t<decltype(t)>, F>; });
}

struct ShiftLeft {
  template <class T>
  T operator()(T a, uint32_t by) const {
    return by >= 8 * sizeof(T) ? T(0) : T(uint64_t(a) << by);
  }
};
struct ShiftRight {
  template <class T>
  T operator()(T a, uint32_t by) const {
    if (by >= 8 * sizeof(T)) return std::is_signed_v<T> && a < 0 ? T(-1) : T(0);
    return T(a >> by);
  }
};
template <class T, class F>
void shift(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = bits_of<T>(F()(T(a[l]), uint32_t(b[l]))); });
}
template <class F>
void build_shift(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = with_integer(i.type, [](auto t) -> Run { return shift<decltype(t), F>; });
}

enum { kLeft = 1, kWrap = 2 };
void funnel(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *low = w.at(i.a.reg), *high = w.at(i.b.reg), *count = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const auto n = uint32_t(count[l]);
    const uint32_t by = i.mode & kWrap ? n & 31 : std::min(32u, n);
    const uint64_t both = uint64_t(uint32_t(high[l])) << 32 | uint32_t(low[l]);
    d[l] = i.mode & kLeft ? uint32_t(both << by >> 32) : uint32_t(both >> by);
  });
}
void build_funnel(Words& words, Instruction& i) {
  i.mode = (words.take("l") ? kLeft : 0) | (words.take("wrap") ? kWrap : 0);
  words.drop({"r", "clamp"});
  i.type = words.take_type();
  i.run = funnel;
}

// A field of `length` bits from `position` on.
template <class T>
void extract(Warp& w, const Instruction& i, Lanes lanes) {
  constexpr unsigned kBits = 8 * sizeof(T);
  const uint64_t *a = w.at(i.a.reg), *position = w.at(i.b.reg), *length = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    using U = std::make_unsigned_t<T>;
    const unsigned at = position[l] & 255, n = length[l] & 255;
    const U value = U(a[l]), kept = U(lowest(std::min(n, kBits)));
    U field = at >= kBits ? U(0) : U(U(value >> at) & kept);
    if (std::is_signed_v<T> && n > 0 && value >> std::min(at + n - 1, kBits - 1) & 1)
      field |= U(~kept);
    d[l] = field;
  });
}
template <class T>
void insert(Warp& w, const Instruction& i, Lanes lanes) {
  constexpr unsigned kBits = 8 * sizeof(T);
  const uint64_t *field = w.at(i.a.reg), *into = w.at(i.b.reg), *position = w.at(i.c.reg),
                 *length = w.at(i.e.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const unsigned at = position[l] & 255, n = length[l] & 255;
    const T mask = at >= kBits ? T(0) : T(lowest(n) << at);
    const T moved = at >= kBits ? T(0) : T(field[l] << at);
    d[l] = T((T(into[l]) & T(~mask)) | (moved & mask));
  });
}
void build_extract(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = with_integer(i.type, [](auto t) -> Run { return extract<decltype(t)>; });
}
void build_insert(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = bytes_of(i.type) == 8 ? insert<uint64_t> : insert<uint32_t>;
}

// The highest bit that differs from the sign; `mode`: how far it is from the left.
template <class T>
void find(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    using U = std::make_unsigned_t<T>;
    T value = T(a[l]);
    if (std::is_signed_v<T> && value < 0) value = T(~value);
    const auto zeros = uint32_t(std::countl_zero(U(value)));
    if (value == 0)
      d[l] = 0xffffffffu;
    else
      d[l] = i.mode ? zeros : uint32_t(8 * sizeof(T)) - 1 - zeros;
  });
}
void build_find(Words& words, Instruction& i) {
  i.mode = words.take("shiftamt");
  i.type = words.take_type();
  i.run = with_integer(i.type, [](auto t) -> Run { return find<decltype(t)>; });
}

void permute(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *selector = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const uint64_t bytes = uint64_t(uint32_t(b[l])) << 32 | uint32_t(a[l]);
    uint32_t all = 0;
    for (int at = 0; at < 4; ++at) {
      const auto select = unsigned(selector[l] >> (4 * at));
      auto byte = uint8_t(bytes >> (8 * (select & 7)));
      if (select & 8) byte = byte & 0x80 ? 0xff : 0;  // its sign instead
      all |= uint32_t(byte) << (8 * at);
    }
    d[l] = all;
  });
}
void build_permute(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = permute;
}

void look_up(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *c = w.at(i.c.reg), *table = w.at(i.e.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    uint32_t all = 0;
    for (unsigned row = 0; row < 8; ++row) {
      if (!(table[l] >> row & 1)) continue;
      all |= uint32_t(row & 4 ? a[l] : ~a[l]) & uint32_t(row & 2 ? b[l] : ~b[l]) &
             uint32_t(row & 1 ? c[l] : ~c[l]);
    }
    d[l] = all;
  });
}
void build_look_up(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = look_up;
}

template <class T>
void copy_sign(Warp& w, const Instruction& i, Lanes lanes) {
  constexpr T kSign = T(1) << (8 * sizeof(T) - 1);
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = (T(a[l]) & kSign) | (T(b[l]) & T(~kSign)); });
}
void build_copy_sign(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = i.type == Type::kF64 ? copy_sign<uint64_t> : copy_sign<uint32_t>;
}

// cvta: generic addresses carry the window of shared and local memory.
enum { kToSpace = 1 };
void convert_address(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t window = i.space == Space::kShared  ? kSharedWindow
                          : i.space == Space::kLocal ? kLocalWindow
                                                     : 0;
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    d[l] = !window ? a[l] : i.mode & kToSpace ? a[l] & ~kWindow : a[l] | window;
  });
}
void build_convert_address(Words& words, Instruction& i) {
  i.mode = words.take("to") ? kToSpace : 0;
  i.space = words.take_space();
  if (i.space == Space::kParameter) unsupported("a generic address of parameters");
  i.type = words.take_type();
  i.run = convert_address;
}
void is_in_space(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = space_of(a[l]) == i.space; });
}
void build_is_in_space(Words& words, Instruction& i) {
  i.space = words.take_space();
  i.run = is_in_space;
}

constexpr Builder kBuilders[] = {
    {"mov", build_move},
    {"and", build_bitwise<And>},
    {"or", build_bitwise<Or>},
    {"xor", build_bitwise<Xor>},
    {"not", build_of_bits<Complement>},
    {"cnot", build_of_bits<IsZero>},
    {"brev", build_of_bits<Reversed>},
    {"popc", build_of_bits<Ones>},
    {"clz", build_of_bits<LeadingZeros>},
    {"shl", build_shift<ShiftLeft>},
    {"shr", build_shift<ShiftRight>},
    {"shf", build_funnel},
    {"bfe", build_extract},
    {"bfi", build_insert},
    {"bfind", build_find},
    {"prmt", build_permute},
    {"lop3", build_look_up},
    {"copysign", build_copy_sign},
    {"cvta", build_convert_address},
    {"isspacep", build_is_in_space},
};

}  // namespace

std::span<const Builder> logic_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
