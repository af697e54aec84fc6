package kerberos_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl/kerberos"
)

// A service logs in with its keytab. Nobody but the service can read what it creates.
func Example() {
	krb, err := kerberos.New(kerberos.Config{Principal: "orders@EXAMPLE.COM", Keytab: "/etc/orders.keytab"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer krb.Close()
	cli, err := framework.New(framework.Config{
		ConnectString: "zk1.example.com,zk2.example.com,zk3.example.com",
		SASL:          krb,
		ACL:           framework.CreatorACL(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cli.Close()
}

// A mechanism prints without its password.
func ExampleNew() {
	conf := filepath.Join(os.TempDir(), "example-krb5.conf")
	defer os.Remove(conf)
	if err := os.WriteFile(conf, []byte("[libdefaults]\ndefault_realm = EXAMPLE.COM\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	krb, err := kerberos.New(kerberos.Config{Principal: "orders", Password: "a long random s3cr3t", Krb5Conf: conf})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer krb.Close()
	fmt.Println(krb)
	// Output: GSSAPI as orders with a password
}
