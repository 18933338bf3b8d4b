// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";

contract InfernetDeploymentTest is InfernetTest {
    function test_deployment_hasTheAddressesOfTheStarterKitsChain() public view {
        assertEq(address(registry), 0x663F3ad617193148711d28f5334eE4Ed07016602, "Registry");
        assertEq(address(coordinator), 0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1, "EIP712Coordinator");
        assertEq(address(inbox), 0x8438Ad1C834623CfF278AB6829a248E37C2D7E3f, "Inbox");
        assertEq(address(reader), 0xBC9129Dc0487fc2E169941C75aABC539f208fb01, "Reader");
        assertEq(address(fee), 0x6e989C01a3e3A94C973A62280a72EC335598490e, "Fee");
        assertEq(address(walletFactory), 0xF6168876932289D073567f347121A267095f3DD6, "WalletFactory");
    }

    function test_registry_namesTheOtherFive() public view {
        assertEq(registry.COORDINATOR(), address(coordinator), "COORDINATOR");
        assertEq(registry.INBOX(), address(inbox), "INBOX");
        assertEq(registry.READER(), address(reader), "READER");
        assertEq(registry.FEE(), address(fee), "FEE");
        assertEq(registry.WALLET_FACTORY(), address(walletFactory), "WALLET_FACTORY");
    }

    function test_deployment_createsTheFirstWalletAtTheKnownAddress() public {
        assertEq(walletFactory.createWallet(node), 0x60985ee8192B322c3CAbA97A9A9f7298bdc4335C, "first wallet");
    }

    function test_deployment_leavesRoomForTheKnownConsumers() public pure {
        assertEq(createAddress(DEPLOYER, 7), 0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e, "nonce 7");
        assertEq(createAddress(DEPLOYER, 8), 0x8cDbD76bB6Cf0293e07deEEEd460cf579873aF44, "nonce 8");
    }

    function test_coordinator_startsWithIdOne() public view {
        assertEq(coordinator.id(), 1, "id");
    }
}
