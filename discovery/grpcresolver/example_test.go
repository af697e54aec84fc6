package grpcresolver_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/discovery/grpcresolver"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// A gRPC server that is registered, and a channel that finds it.
func Example() {
	registry, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer registry.Close()
	cli, err := framework.New(framework.Config{ConnectString: registry.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	reg := discovery.New[any](cli, "/services")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	defer server.Stop()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	ctx := context.Background()
	r, err := reg.Register(ctx, discovery.Instance[any]{Name: "orders", Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close(ctx)

	conn, err := grpc.NewClient("zk:///orders", grpc.WithResolvers(grpcresolver.New(reg)),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Status)
	// Output: SERVING
}
