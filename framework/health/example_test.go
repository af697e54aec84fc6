package health_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/health"
	"github.com/docent-zk/docent/zktest"
)

// What a probe is told.
func ExampleReady() {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	cli, err := framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()

	mux := http.NewServeMux()
	mux.Handle("/readyz", health.Ready(cli))
	mux.Handle("/livez", health.Live(cli))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/livez", nil))
	fmt.Println(answer.Code)
	// Output: 200
}
