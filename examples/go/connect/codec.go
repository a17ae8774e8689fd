package connect

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/runtime/protoimpl"
)

// grpc-go before 1.40, which Debian 12 has, cannot read what today's generator makes of the protos.
// With a newer one leave this file out.
func init() { encoding.RegisterCodec(codec{}) }

type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(message interface{}) ([]byte, error) {
	return proto.Marshal(protoimpl.X.ProtoMessageV2Of(message))
}

func (codec) Unmarshal(data []byte, message interface{}) error {
	return proto.Unmarshal(data, protoimpl.X.ProtoMessageV2Of(message))
}
