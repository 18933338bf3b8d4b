// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {WalletFactory} from "infernet-sdk/payments/WalletFactory.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";

contract WalletFactoryTest is InfernetTest {
    function test_createWallet_isForAnyoneByAnyone() public {
        address expected = createAddress(address(walletFactory), 1);

        vm.expectEmit(expected);
        emit Ownable.OwnershipTransferred(address(0), node);
        vm.expectEmit(address(walletFactory));
        emit WalletFactory.WalletCreated(stranger, node, expected);
        bytes memory answer =
            callAs(stranger, address(walletFactory), abi.encodeCall(WalletFactory.createWallet, (node)));

        address wallet = abi.decode(answer, (address));
        assertEq(wallet, expected, "plain CREATE");
        assertEq(Wallet(payable(wallet)).owner(), node, "owner");
    }

    function test_createWallet_usesOneNonceEach() public {
        walletFactory.createWallet(node);
        assertEq(walletFactory.createWallet(node), createAddress(address(walletFactory), 2), "second");
    }

    function test_isValidWallet_knowsItsOwnOnly() public {
        address made = walletFactory.createWallet(node);
        address copied = deploy("payments/Wallet.sol:Wallet", abi.encode(registry, node));

        assertTrue(walletFactory.isValidWallet(made), "made here");
        assertTrue(!walletFactory.isValidWallet(copied), "made elsewhere");
        assertTrue(!walletFactory.isValidWallet(address(0)), "nobody");
    }
}
