// <metal_tensor>: extents, tensors over a pointer, and slices of them. Dimension 0 is the innermost and contiguous one.
#pragma once

#include "packed_format.h"
#include "simd.h"

namespace metal {

inline constexpr size_t dynamic_extent = size_t(-1);
template <class T>
inline constexpr T dynamic_length_v = numeric_limits<T>::max();

/// Sizes of a tensor, each known when the kernel is compiled or given when it runs.
template <class Index, size_t... E>
struct extents {
  using index_type = Index;
  static constexpr size_t rank() { return sizeof...(E); }
  static constexpr size_t rank_dynamic() { return ((E == dynamic_extent) + ... + 0); }
  static constexpr size_t static_extent(size_t dimension) { return statics[dimension]; }
  constexpr Index extent(size_t dimension) const { return sizes[dimension]; }

  /// The sizes of the dynamic dimensions, or of all.
  template <class... Sizes>
    requires(sizeof...(Sizes) == rank_dynamic() || sizeof...(Sizes) == rank())
  constexpr extents(Sizes... given) {
    const Index values[] = {Index(given)..., Index(0)};
    size_t next = 0;
    for (size_t r = 0; r < rank(); ++r) {
      const bool fixed = statics[r] != dynamic_extent;
      sizes[r] = fixed ? Index(statics[r]) : values[sizeof...(Sizes) == rank() ? r : next];
      next += fixed ? 0 : 1;
    }
  }

  static constexpr size_t statics[] = {E..., 0};
  Index sizes[sizeof...(E) + 1] = {};
};

namespace tensor_detail {
template <class Index, class>
struct Dynamic;
template <class Index, size_t... I>
struct Dynamic<Index, index_sequence<I...>> {
  using type = extents<Index, (I, dynamic_extent)...>;
};
}  // namespace tensor_detail
template <class Index, size_t rank>
using dextents = typename tensor_detail::Dynamic<Index, make_index_sequence<rank>>::type;

struct tensor_handle {};
struct tensor_inline {};
struct tensor_offset {};

namespace tensor_detail {

template <class T>
inline constexpr bool is_value =
    is_packed<T> || is_one_of<remove_cv_t<T>, half, bfloat, float, char, signed char, uchar, short, ushort, int,
                              uint, long, ulong>;

}  // namespace tensor_detail

/// A view of memory with sizes and strides. ElementType's address space is gone by now; its const stays.
template <class ElementType, class Extents, class Descriptor = tensor_handle, class... Tags>
class tensor {
 public:
  static_assert(tensor_detail::is_value<ElementType>,
                "a tensor holds half, bfloat, float, integers of 8 to 64 bits, or packed formats");
  static_assert(is_one_of<Descriptor, tensor_inline, tensor_handle>,
                "a tensor is a tensor_inline or a tensor_handle");
  static_assert(Extents::rank() >= 1 && Extents::rank() <= 16, "a tensor has 1 to 16 dimensions");
  using element_type = ElementType;
  using value_type = remove_cv_t<ElementType>;
  using extents_type = Extents;
  using index_type = typename Extents::index_type;
  using Stored = tensor_detail::stored_t<ElementType>;
  static constexpr size_t kRank = Extents::rank();
  static constexpr bool kIsInline = is_same_v<Descriptor, tensor_inline>;
  static constexpr int kInByte = tensor_detail::elements_in_byte<ElementType>;

  METAL_UNCHECKED tensor(Stored* pointer, Extents sizes) : data_(pointer), extents_(sizes) {
    static_assert(kIsInline, "the host binds a tensor_handle: build a tensor_inline over a buffer's pointer");
    index_type stride = 1;
    for (size_t r = 0; r < kRank; ++r) {
      strides_[r] = stride;
      stride *= sizes.extent(r);
    }
  }
  METAL_UNCHECKED tensor(Stored* pointer, Extents sizes, array<index_type, kRank> strides, METAL_HERE)
      : data_(pointer), extents_(sizes) {
    static_assert(kIsInline, "the host binds a tensor_handle: build a tensor_inline over a buffer's pointer");
    for (size_t r = 0; r < kRank; ++r) strides_[r] = strides[r];
    if (strides_[0] != 1)
      metal_device::runtime->fail(
          "tensor.stride", METAL_SITE("tensor"),
          "a tensor's first stride is %ld; it must be 1, since dimension 0 is contiguous", long(strides_[0]));
  }
  METAL_UNCHECKED tensor(Stored* pointer, Extents sizes, const index_type (&strides)[kRank])
      : data_(pointer), extents_(sizes) {
    for (size_t r = 0; r < kRank; ++r) strides_[r] = strides[r];
  }

  METAL_UNCHECKED tensor(void* pointer, const metal_device::HostTensor& host)
      : tensor(pointer, host, make_index_sequence<kRank>()) {}

  static constexpr size_t get_rank() { return kRank; }
  static constexpr size_t get_static_extent(size_t r) { return Extents::static_extent(r); }
  static constexpr bool has_static_extent(size_t r) { return Extents::static_extent(r) != dynamic_extent; }
  static constexpr bool has_all_static_extent() { return Extents::rank_dynamic() == 0; }
  constexpr index_type get_extent(size_t r) const { return extents_.extent(r); }
  constexpr index_type get_stride(size_t r) const { return strides_[r]; }
  constexpr Stored* data() const { return data_; }

  /// An element; outside is undefined in Metal and an error here.
  template <class... I>
    requires(sizeof...(I) == kRank)
  METAL_UNCHECKED __attribute__((noinline)) Stored& operator[](I... indices) const {
    static_assert(!tensor_detail::is_packed<ElementType>,
                  "an element of a packed format cannot be referred to; use get()");
    const index_type at[] = {index_type(indices)...};
    if (!inside(at))
      metal_device::runtime->fail(
          "tensor.index", METAL_CALLER("operator[]"), "tensor index %ld of dimension %d is outside extent %ld",
          long(at[first_outside(at)]), first_outside(at), long(get_extent(size_t(first_outside(at)))));
    return data_[offset(at)];
  }
  METAL_UNCHECKED __attribute__((noinline)) Stored& operator[](const array<index_type, kRank>& indices) const {
    if (!inside(indices.elements))
      metal_device::runtime->fail("tensor.index", METAL_CALLER("operator[]"),
                                  "a tensor index is outside its extent");
    return data_[offset(indices.elements)];
  }
  /// An element; dimensions of extent 1 repeat, outside is 0.
  template <class... I>
    requires(sizeof...(I) == kRank)
  METAL_UNCHECKED __attribute__((noinline)) auto get(I... indices) const {
    index_type at[] = {index_type(indices)...};
    for (size_t r = 0; r < kRank; ++r)
      if (get_extent(r) == 1) at[r] = 0;
    return inside(at) ? element(at, METAL_CALLER("get")) : tensor_detail::element_t<ElementType>(0);
  }
  /// Outside is dropped.
  template <class... I>
    requires(sizeof...(I) == kRank)
  METAL_UNCHECKED __attribute__((noinline)) void set(value_type value, I... indices) const {
    const index_type at[] = {index_type(indices)...};
    if (inside(at)) {
      touch(at, 1, metal_device::Access::write, METAL_CALLER("set"));
      data_[offset(at)] = value;
    }
  }

  /// The part from `origin` on, dimension 0 first. Extents that are not given as template arguments are what is left.
  template <size_t... E, class... I>
    requires(sizeof...(I) == kRank)
  METAL_UNCHECKED __attribute__((noinline)) auto slice(I... origin) const {
    return slice_of<E...>(METAL_CALLER("slice"), make_index_sequence<kRank>(), origin...);
  }
  template <size_t... E, class... I>
  METAL_UNCHECKED __attribute__((noinline)) auto static_slice(I... origin) const {
    return slice_of<E...>(METAL_CALLER("static_slice"), make_index_sequence<kRank>(), origin...);
  }

  // For the operations below; no check, no barrier.
  template <class I>
  METAL_UNCHECKED bool inside(const I* at) const {
    return first_outside(at) < 0;
  }
  template <class I>
  METAL_UNCHECKED ptrdiff_t offset(const I* at) const {
    ptrdiff_t sum = 0;
    for (size_t r = 0; r < kRank; ++r) sum += ptrdiff_t(at[r]) * strides_[r];
    return sum;
  }
  template <class I>
  METAL_UNCHECKED tensor_detail::element_t<ElementType> element(const I* at,
                                                                const metal_device::Site& site) const {
    touch(at, 1, metal_device::Access::read, site);
    return tensor_detail::read<ElementType>(data_, offset(at));
  }
  /// Announces an access to `count` elements along dimension 0.
  template <class I>
  METAL_UNCHECKED void touch(const I* at, int count, metal_device::Access access,
                             const metal_device::Site& site) const {
    const ptrdiff_t first = offset(at);
    if constexpr (tensor_detail::is_packed<ElementType>) {
      metal_device::touch(data_ + first / kInByte, size_t((first + count - 1) / kInByte - first / kInByte + 1),
                          access, site);
    } else {
      metal_device::touch(data_ + first, size_t(count) * sizeof(Stored), access, site);
    }
  }

 private:
  template <size_t... R>
  METAL_UNCHECKED tensor(void* pointer, const metal_device::HostTensor& host, index_sequence<R...>)
      : data_(static_cast<Stored*>(pointer)),
        extents_(index_type(host.extents[R])...),
        strides_{index_type(host.strides[R])...} {}

  template <class I>
  METAL_UNCHECKED int first_outside(const I* at) const {
    for (size_t r = 0; r < kRank; ++r)
      if (at[r] < 0 || at[r] >= get_extent(r)) return int(r);
    return -1;
  }

  template <size_t... E, size_t... R, class... I>
  METAL_UNCHECKED auto slice_of(const metal_device::Site& site, index_sequence<R...>, I... origin) const {
    constexpr size_t wanted[] = {E..., dynamic_extent};
    using Sliced =
        extents<index_type, (R < sizeof...(E) ? wanted[R < sizeof...(E) ? R : 0] : dynamic_extent)...>;
    const index_type from[] = {index_type(origin)...};
    for (size_t r = 0; r < sizeof...(E); ++r)
      if (wanted[r] != dynamic_extent && (from[r] < 0 || from[r] + index_type(wanted[r]) > get_extent(r)))
        metal_device::runtime->fail(
            "tensor.static_slice", site,
            "a slice of %ld elements at %ld leaves dimension %d, whose extent is %ld; nothing clips static "
            "extents: use dynamic_extent at the edges",
            long(wanted[r]), long(from[r]), int(r), long(get_extent(r)));
    const index_type strides[] = {strides_[R]...};
    if (offset(from) % kInByte != 0)
      metal_device::runtime->fail("tensor.static_slice", site,
                                  "a slice starts inside a byte; start at a multiple of %d elements", kInByte);
    using Slice = conditional_t<kIsInline, tensor<ElementType, Sliced, tensor_inline>,
                                tensor<ElementType, Sliced, tensor_handle, tensor_offset>>;
    return Slice(data_ + offset(from) / kInByte, Sliced(index_type(get_extent(R) - from[R])...), strides);
  }

  Stored* data_;
  Extents extents_;
  index_type strides_[kRank];
};

template <class T, class Index, size_t... E>
tensor(T*, extents<Index, E...>) -> tensor<T, extents<Index, E...>, tensor_inline>;
template <class T, class Index, size_t... E>
tensor(T*, extents<Index, E...>, array<Index, sizeof...(E)>) -> tensor<T, extents<Index, E...>, tensor_inline>;

template <class T>
inline constexpr bool is_tensor_v = false;
template <class... A>
inline constexpr bool is_tensor_v<tensor<A...>> = true;
template <class T>
inline constexpr bool is_tensor_inline_v = false;
template <class E, class X, class... Tags>
inline constexpr bool is_tensor_inline_v<tensor<E, X, tensor_inline, Tags...>> = true;
template <class T>
inline constexpr bool is_tensor_handle_v = false;
template <class E, class X, class... Tags>
inline constexpr bool is_tensor_handle_v<tensor<E, X, tensor_handle, Tags...>> = true;
template <class T>
inline constexpr bool has_tensor_offset_v = false;
template <class E, class X, class D, class... Tags>
inline constexpr bool has_tensor_offset_v<tensor<E, X, D, Tags...>> = (is_same_v<Tags, tensor_offset> || ...);

}  // namespace metal
